import { hash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { FastifyPluginAsync, FastifyReply, FastifyRequest, onRequestHookHandler } from 'fastify';
import { Problem } from '../src/problem.ts';

export interface DocsOptions {
  /** What is behind this address: said at the top of the page, because every call of it is a real one. */
  account: 'sandbox' | 'real';
  /** Absent: the documents need no key. */
  mayRead?: (request: FastifyRequest) => boolean;
}

interface Page {
  readonly type: string;
  readonly body: Buffer;
  readonly etag: string;
}

const pageOf = (type: string, body: string | Buffer): Page => ({
  type,
  body: Buffer.from(body),
  etag: `"${hash('sha256', body, 'base64url').slice(0, 22)}"`,
});

/** Nothing from elsewhere, and no script in the page; Swagger UI styles itself inline. */
const pagePolicy =
  "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; frame-ancestors 'none'; form-action 'self'";

/**
 * `/docs` and `/openapi.*`. All of it is the same for everybody: each is made once, when the service is ready, and sent as it
 * stands. To build an answer of 200 KB for each request would let anybody without a key hold up everybody.
 */
export const docs: FastifyPluginAsync<DocsOptions> = async (app, { account, mayRead }) => {
  const pages = new Map<string, Page>();
  const add = (path: string, page: Page) => void pages.set(path, page);
  for (const [name, type] of Object.entries(files)) {
    add(`/docs/static/${name}`, pageOf(type, readFileSync(join(swaggerUiFolder(), name))));
  }
  add('/docs/static/initializer.js', pageOf('text/javascript; charset=utf-8', initializer));
  add('/docs/static/account.css', pageOf('text/css; charset=utf-8', accountStyle));
  const index = pageOf('text/html; charset=utf-8', indexPage(account));
  for (const path of ['/docs', '/docs/']) add(path, index);

  app.addHook('onReady', async () => {
    const json = pageOf('application/json; charset=utf-8', JSON.stringify(app.swagger()));
    const yaml = pageOf('application/yaml', app.swagger({ yaml: true }));
    for (const path of ['/openapi.json', '/docs/json']) add(path, json);
    for (const path of ['/openapi.yaml', '/docs/yaml']) add(path, yaml);
  });

  const assertMayRead: onRequestHookHandler = (request, _reply, done) => {
    if (mayRead === undefined || mayRead(request)) return done();
    // A browser asks its user for the key, and sends it as the password.
    const headers = { 'www-authenticate': 'Basic realm="wati-bff: a key as the password", charset="UTF-8"' };
    done(new Problem('unauthorized', 'the documents need a key: as the password of Basic, or as Bearer', { headers }));
  };

  const send = (path: string, request: FastifyRequest, reply: FastifyReply) => {
    const page = pages.get(path);
    if (page === undefined) throw new Problem('not-found', 'there is no such path');
    const { type, body, etag } = page;
    reply.headers({ 'cache-control': 'no-cache', 'content-security-policy': pagePolicy, etag });
    if (request.headers['if-none-match'] === etag) return reply.code(304).send();
    return reply.type(type).send(body);
  };

  const hidden = { schema: { hide: true }, onRequest: assertMayRead };
  for (const path of ['/openapi.json', '/openapi.yaml', '/docs', '/docs/', '/docs/json', '/docs/yaml']) {
    app.get(path, hidden, (request, reply) => send(path, request, reply));
  }
  app.get<{ Params: { file: string } }>('/docs/static/:file', hidden, (request, reply) => {
    const { file } = request.params;
    // Where Swagger UI's own page would be.
    if (file === 'index.html') return reply.redirect('/docs/');
    return send(`/docs/static/${file}`, request, reply);
  });
};

/** Of Swagger UI, what its page loads. */
const files: Readonly<Record<string, string>> = {
  'swagger-ui-bundle.js': 'text/javascript; charset=utf-8',
  'swagger-ui.css': 'text/css; charset=utf-8',
  'index.css': 'text/css; charset=utf-8',
  'favicon-16x16.png': 'image/png',
  'favicon-32x32.png': 'image/png',
};

const require = createRequire(import.meta.url);
const swaggerUiFolder = (): string => join(require.resolve('@fastify/swagger-ui'), '..', 'static');

/** No validator badge: it would show the document to a public site. The key is not kept in the browser's storage. */
const initializer = `window.onload = () => {
  SwaggerUIBundle({
    url: '/openapi.json',
    dom_id: '#swagger-ui',
    deepLinking: true,
    presets: [SwaggerUIBundle.presets.apis],
    plugins: [SwaggerUIBundle.plugins.DownloadUrl],
    layout: 'BaseLayout',
    validatorUrl: null,
    tryItOutEnabled: true,
    displayRequestDuration: true,
    docExpansion: 'list',
  });
};
`;

const accountStyle = `.account { margin: 0; padding: 0.75rem 1rem; font: 600 1rem/1.5 system-ui, sans-serif; text-align: center; color: #fff; }
.account.sandbox { background: #1b6e3c; }
.account.real { background: #a61b1b; }
`;

const accounts = {
  sandbox: 'SANDBOX: everything is simulated, no message reaches anybody',
  real: 'REAL ACCOUNT: what you send from this page reaches real people',
};

const indexPage = (account: DocsOptions['account']) => `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>wati-bff${account === 'sandbox' ? ' (sandbox)' : ''}</title>
<link rel="stylesheet" href="/docs/static/swagger-ui.css">
<link rel="stylesheet" href="/docs/static/index.css">
<link rel="stylesheet" href="/docs/static/account.css">
<link rel="icon" type="image/png" href="/docs/static/favicon-32x32.png" sizes="32x32">
<link rel="icon" type="image/png" href="/docs/static/favicon-16x16.png" sizes="16x16">
</head>
<body>
<p class="account ${account}">${accounts[account]}</p>
<div id="swagger-ui"></div>
<script src="/docs/static/swagger-ui-bundle.js"></script>
<script src="/docs/static/initializer.js"></script>
</body>
</html>
`;
