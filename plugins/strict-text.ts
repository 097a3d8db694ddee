import type { FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import { Problem } from '../src/problem.ts';

/** Refuses bytes that are not UTF-8. A lenient decoder would replace them by other characters, which would reach a customer. */
export const strictText = fp(
  async (app) => {
    const utf8 = new TextDecoder('utf-8', { fatal: true });
    const parse = app.getDefaultJsonParser('error', 'error');
    app.removeContentTypeParser('application/json');
    app.addContentTypeParser<Buffer>('application/json', { parseAs: 'buffer' }, (request, bytes, done) => {
      const charset = charsetOf(request);
      if (charset !== undefined && !/^utf-?8$/i.test(charset)) {
        const fault = 'the Content-Type says another charset than utf-8, which JSON bodies are in here';
        return done(new Problem('unsupported-media-type', fault));
      }
      // Chunks without content.
      if (bytes.length === 0) return done(null, undefined);
      let text: string;
      try {
        text = utf8.decode(bytes);
      } catch (cause) {
        return done(new Problem('malformed-request', 'the body is not UTF-8', { cause }));
      }
      parse(request, text, done);
    });

    app.addHook('onRequest', (request, _reply, done) => {
      const fault = queryFault(request.url);
      done(fault === undefined ? undefined : new Problem('malformed-request', fault));
    });
  },
  { name: 'strict-text', dependencies: ['request-bodies'] },
);

const charsetOf = ({ headers }: FastifyRequest): string | undefined =>
  /;\s*charset\s*=\s*"?([^";\s]*)/i.exec(headers['content-type'] ?? '')?.[1];

/** The router's parser keeps text that it cannot decode, percent signs included. */
function queryFault(url: string): string | undefined {
  if (/[^!-~]/.test(url)) return 'the address has bytes that are not ASCII: write text in it as UTF-8, percent-encoded';
  const at = url.indexOf('?');
  if (at === -1 || !url.includes('%', at)) return undefined;
  try {
    decodeURIComponent(url.slice(at));
    return undefined;
  } catch {
    return 'the query is not percent-encoded UTF-8: write a percent sign as %25, and letters by the bytes of UTF-8';
  }
}
