import { type DestinationStream, type Logger, pino } from 'pino';

/**
 * JSON lines. Nothing is logged that holds the key; should a line hold it all the same, it is taken out on the way to the
 * stream, in whatever field or text it stands.
 */
export function createLogger(level: string, secrets: readonly string[], stream: DestinationStream): Logger {
  return pino(
    {
      level,
      base: { name: 'wati-bff' },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      hooks: {
        streamWrite: (line) => secrets.reduce((text, secret) => text.replaceAll(secret, '[secret]'), line),
      },
    },
    stream,
  );
}
