import type { FastifyInstance } from 'fastify';
import { Problem } from '../problem.ts';

const all = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const;

/**
 * Answers 405 with `Allow` to methods that an existing path lacks. Call before the routes are registered; call the returned
 * function after them.
 */
export function watchMethods(app: FastifyInstance): () => void {
  const seen = new Map<string, Set<string>>();
  app.addHook('onRoute', ({ url, method }) => {
    const methods = seen.get(url) ?? new Set();
    for (const name of [method].flat()) methods.add(name);
    seen.set(url, methods);
  });
  return () => {
    for (const [url, methods] of [...seen]) {
      const missing = all.filter((method) => !methods.has(method));
      const allow = [...methods].sort().join(', ');
      if (missing.length === 0) continue;
      app.route({
        url,
        method: [...missing],
        schema: { hide: true },
        config: { passthroughQuery: true },
        onRequest: async () => {
          throw new Problem('method-not-allowed', `this path takes ${allow}`, { headers: { allow } });
        },
        handler: () => {},
      });
    }
  };
}
