import type { IncomingHttpHeaders } from 'node:http';

/** Returns whether a response is an endless stream. Tests of every operation read only its beginning. */
export const isEndless = (path: string, headers: IncomingHttpHeaders): boolean =>
  path.startsWith('/v1/operations/stream') && headers['content-type'] === 'text/event-stream';
