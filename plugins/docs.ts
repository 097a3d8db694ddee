import { hash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { FastifyPluginAsync, FastifyReply, FastifyRequest, onRequestHookHandler } from 'fastify';
import fp from 'fastify-plugin';
import { type Account, docsPage, docsScript, docsStyle } from '../src/docs/docs-page.ts';
import { guidePages } from '../src/docs/guide-pages.ts';
import type { OpenapiDocument } from '../src/docs/openapi-document.ts';
import { plainPagePolicy } from '../src/lib/html.ts';
import { lazy } from '../src/lib/memoize.ts';
import { Problem } from '../src/problem.ts';

export interface DocsOptions {
  /** Shown at the top of the page, because every call made from it is real. */
  account: Account;
  /** Absent: the documents need no key. */
  mayRead?: (request: FastifyRequest) => boolean;
  document: () => Promise<OpenapiDocument>;
}

interface Page {
  readonly type: string;
  readonly policy: string;
  readonly body: Buffer;
  readonly etag: string;
}

/** No content from other hosts, and no inline script. Swagger UI uses inline styles. */
const swaggerPolicy =
  "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; frame-ancestors 'none'; form-action 'self'";

const pageOf = (type: string, body: string | Buffer, policy = swaggerPolicy): Page => ({
  type,
  policy,
  body: Buffer.from(body),
  etag: `"${hash('sha256', body, 'base64url').slice(0, 22)}"`,
});

const html = 'text/html; charset=utf-8';

/**
 * Serves `/docs` and `/openapi.*`. Each page is the same for every client, so it is built once: building 200 KB for each request
 * would let clients without a key slow down all others. It is built for its first reader, because most replicas have none, and all
 * pages together take 17 MB.
 */
const routes: FastifyPluginAsync<DocsOptions> = async (app, { account, mayRead, document }) => {
  const pages = new Map<string, () => Page | Promise<Page>>();
  const add = (paths: readonly string[], make: () => Page | Promise<Page>) => {
    const page = lazy(make);
    for (const path of paths) pages.set(path, page);
  };
  for (const [name, type] of Object.entries(files)) {
    add([`/docs/static/${name}`], () => pageOf(type, readFileSync(join(swaggerUiFolder(), name))));
  }
  add(['/docs/static/initializer.js'], () => pageOf('text/javascript; charset=utf-8', docsScript));
  add(['/docs/static/account.css'], () => pageOf('text/css; charset=utf-8', docsStyle));
  const guides = lazy(
    () => new Map([...guidePages()].map(([name, guide]) => [name, pageOf(html, guide, plainPagePolicy)])),
  );
  add(['/docs', '/docs/'], () => pageOf(html, docsPage(account, linksTo(guides()))));
  add(['/openapi.json', '/docs/json'], async () => pageOf('application/json; charset=utf-8', (await document()).json));
  add(['/openapi.yaml', '/docs/yaml'], async () => pageOf('application/yaml', (await document()).yaml));

  const assertMayRead: onRequestHookHandler = (request, _reply, done) => {
    if (mayRead === undefined || mayRead(request)) return done();
    // A browser asks its user for the key, and sends it as the password.
    const headers = { 'www-authenticate': 'Basic realm="wati-bff: a key as the password", charset="UTF-8"' };
    done(new Problem('unauthorized', 'the documents need a key: as the password of Basic, or as Bearer', { headers }));
  };

  const send = (page: Page | undefined, request: FastifyRequest, reply: FastifyReply) => {
    if (page === undefined) throw new Problem('not-found', 'there is no such path');
    const { type, policy, body, etag } = page;
    reply.headers({ 'cache-control': 'no-cache', 'content-security-policy': policy, etag });
    if (request.headers['if-none-match'] === etag) return reply.code(304).send();
    return reply.type(type).send(body);
  };

  const hidden = { schema: { hide: true }, onRequest: assertMayRead };
  for (const path of ['/openapi.json', '/openapi.yaml', '/docs', '/docs/', '/docs/json', '/docs/yaml']) {
    app.get(path, hidden, async (request, reply) => send(await pages.get(path)?.(), request, reply));
  }
  app.get('/docs/guides', hidden, (request, reply) => send(guides().get(''), request, reply));
  app.get<{ Params: { file: string } }>('/docs/guides/:file', hidden, (request, reply) =>
    send(guides().get(request.params.file), request, reply),
  );
  app.get<{ Params: { file: string } }>('/docs/static/:file', hidden, async (request, reply) => {
    const { file } = request.params;
    // Replaces the page of Swagger UI itself.
    if (file === 'index.html') return reply.redirect('/docs/');
    return send(await pages.get(`/docs/static/${file}`)?.(), request, reply);
  });
};

export const docs = fp(routes, { name: 'docs', encapsulate: true });

const linksTo = (guides: ReadonlyMap<string, unknown>): [href: string, words: string][] => [
  ...(guides.has('README.md') ? [['/docs/guides/README.md', 'Start here (README)'] satisfies [string, string]] : []),
  ...(guides.size > 0 ? [['/docs/guides', 'Guides'] satisfies [string, string]] : []),
  ['/problems', 'Problems, and what to do'],
  ['/openapi.yaml', 'openapi.yaml'],
];

/** The files of Swagger UI that its page loads. */
const files: Readonly<Record<string, string>> = {
  'swagger-ui-bundle.js': 'text/javascript; charset=utf-8',
  'swagger-ui.css': 'text/css; charset=utf-8',
  'index.css': 'text/css; charset=utf-8',
  'favicon-16x16.png': 'image/png',
  'favicon-32x32.png': 'image/png',
};

const require = createRequire(import.meta.url);
const swaggerUiFolder = (): string => join(require.resolve('@fastify/swagger-ui'), '..', 'static');
