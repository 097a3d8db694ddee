import { finished, PassThrough, type Readable } from 'node:stream';

/**
 * A copy of a caller's body for undici, which destroys a body when its call fails. Only the copy is destroyed, so that the
 * caller's socket stays open for the response. If the caller disconnects, the copy is destroyed too.
 */
export function detached(source: Readable): PassThrough {
  const body = new PassThrough();
  // The reader gets the error as the failure of its call.
  body.on('error', () => {});
  finished(source, { writable: false }, (cause) => {
    if (cause) body.destroy(cause);
  });
  return source.pipe(body);
}
