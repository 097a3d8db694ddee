import { type DestinationStream, type Logger, pino } from 'pino';
import { KeyFinder } from '../keys/key-finder.ts';

/** In the place of a line that held a key in a form that cannot be cut out of it. */
const leftOut = '{"level":"error","name":"wati-bff","msg":"a log line held a key of this service, and is left out"}\n';

/**
 * JSON lines. Nothing is logged that holds the key; should a line hold it all the same, it is taken out on the way to the
 * stream, in whatever field, text or encoding it stands.
 */
export function createLogger(level: string, secrets: readonly string[], stream: DestinationStream): Logger {
  const finder = new KeyFinder(() => secrets);
  return pino(
    {
      level,
      base: { name: 'wati-bff' },
      timestamp: createIsoTime(),
      formatters: { level: (label) => ({ level: label }) },
      // @fastify/multipart logs all headers of a request at `trace`, and with them its caller's key.
      serializers: { busboyOptions: () => undefined },
      hooks: {
        streamWrite: (line) => finder.without(line) ?? leftOut,
      },
    },
    stream,
  );
}

/** As pino's isoTime writes it, but a date is spelt out once a second and not once a line. */
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
