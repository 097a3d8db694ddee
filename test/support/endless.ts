import type { IncomingHttpHeaders } from 'node:http';

/** Whether an answer has no end: of it, tests that ask every operation read the beginning. */
export const isEndless = (path: string, headers: IncomingHttpHeaders): boolean =>
  path.startsWith('/v1/operations/stream') && headers['content-type'] === 'text/event-stream';
