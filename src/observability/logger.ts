import { type DestinationStream, type Logger, pino } from 'pino';
import { KeyFinder } from '../keys/key-finder.ts';

/** Replaces a line that contained a key in a form that cannot be removed. */
const leftOut = '{"level":"error","name":"wati-bff","msg":"a log line held a key of this service, and is left out"}\n';

/**
 * Writes JSON lines. No code logs the key; as a safeguard every line is scanned for it, in any field, text or encoding, before
 * it is written.
 */
export function createLogger(level: string, secrets: readonly string[], stream: DestinationStream): Logger {
  const finder = new KeyFinder(() => secrets);
  return pino(
    {
      level,
      base: { name: 'wati-bff' },
      timestamp: createIsoTime(),
      formatters: { level: (label) => ({ level: label }) },
      // @fastify/multipart logs all headers of a request at `trace`, the caller's key included.
      serializers: { busboyOptions: () => undefined },
      hooks: {
        streamWrite: (line) => finder.without(line) ?? leftOut,
      },
    },
    stream,
  );
}

/** The same as pino's isoTime, but the date is formatted once a second instead of once a line. */
function createIsoTime(): () => string {
  let second = Number.NaN;
  let start = '';
  return () => {
    const now = Date.now();
    const ms = now % 1000;
    if (now - ms !== second) {
      second = now - ms;
      start = `,"time":"${new Date(second).toISOString().slice(0, -4)}`;
    }
    return `${start}${ms < 10 ? '00' : ms < 100 ? '0' : ''}${ms}Z"`;
  };
}
