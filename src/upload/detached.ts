import { finished, PassThrough, type Readable } from 'node:stream';

/**
 * A caller's body to hand to undici, which destroys a body when its call fails: here the copy only, so that the caller's
 * socket lives on to be answered. A caller who breaks off breaks the copy.
 */
export function detached(source: Readable): PassThrough {
  const body = new PassThrough();
  // The reader sees the error as the failure of its call.
  body.on('error', () => {});
  finished(source, { writable: false }, (cause) => {
    if (cause) body.destroy(cause);
  });
  return source.pipe(body);
}
