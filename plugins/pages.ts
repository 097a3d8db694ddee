import { hash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, extname, join } from 'node:path';
import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import { homePage } from '../src/docs/home-page.ts';
import { Problem } from '../src/problem.ts';

export interface PagesOptions {
  account: 'sandbox' | 'real';
  /** Whether `/docs` exists and can be linked. */
  docs: boolean;
  console: boolean;
  version: string;
}

interface Asset {
  readonly type: string;
  readonly body: Buffer;
  readonly etag: string;
}

/** Scripts and styles of this service alone, nothing inline, and no text becomes markup or code. */
const pagePolicy =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

const types: Readonly<Record<string, string>> = {
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.html': 'text/html; charset=utf-8',
};

/**
 * `/` and `/console`. Their files are read once, at the start, and served under an address that contains the digest of all of
 * them, so a browser keeps them until the service is replaced.
 */
const routes: FastifyPluginAsync<PagesOptions> = async (app, options) => {
  const files = readFiles(options);
  const digest = hash('sha256', [...files.values()].map(({ etag }) => etag).join(), 'base64url').slice(0, 22);
  const assets = `/assets/${digest}`;
  const { account, docs, console: hasConsole, version } = options;

  const sendPage = (page: Asset, request: FastifyRequest, reply: FastifyReply) => {
    reply.headers({
      'content-security-policy': pagePolicy,
      'cross-origin-opener-policy': 'same-origin',
      'referrer-policy': 'no-referrer',
    });
    return sendAsset(page, request, reply.header('cache-control', 'no-cache'));
  };

  const hidden = { schema: { hide: true } };
  const index = assetOf('.html', homePage({ account, docs, console: hasConsole, assets }));
  app.get('/', hidden, (request, reply) => sendPage(index, request, reply));

  if (hasConsole) {
    const facts: Record<string, string> = { account, version, docs: docs ? 'on' : 'off', assets };
    const shell = readFileSync(join(folder, 'index.html'), 'utf8');
    const page = assetOf(
      '.html',
      shell.replace(/\{\{(\w+)\}\}/g, (_whole, name: string) => facts[name] ?? ''),
    );
    for (const path of ['/console', '/console/']) {
      app.get(path, hidden, (request, reply) => sendPage(page, request, reply));
    }
  }

  app.get<{ Params: { digest: string; file: string } }>('/assets/:digest/:file', hidden, (request, reply) => {
    const asset = files.get(request.params.file);
    if (asset === undefined) throw new Problem('not-found', 'there is no such path');
    // A page of another version may ask while replicas are replaced. It gets what there is, and asks again next time.
    const keeps = request.params.digest === digest ? 'public, max-age=31536000, immutable' : 'no-cache';
    return sendAsset(asset, request, reply.header('cache-control', keeps));
  });
};

export const pages = fp(routes, { name: 'pages', encapsulate: true });

function sendAsset({ type, body, etag }: Asset, request: FastifyRequest, reply: FastifyReply) {
  reply.header('etag', etag);
  if (request.headers['if-none-match'] === etag) return reply.code(304).send();
  return reply.type(type).send(body);
}

const assetOf = (extension: string, body: string | Buffer): Asset => ({
  type: types[extension] ?? 'application/octet-stream',
  body: Buffer.from(body),
  etag: `"${hash('sha256', body, 'base64url').slice(0, 22)}"`,
});

/** Beside the sources, and copied beside the compiled files by the build. */
const folder = join(import.meta.dirname, '..', 'src', 'console');

/** What `/` needs without the console. */
const ofHome = ['base.css', 'home.css', 'home.js', 'readiness.js', 'icon.svg'];

/** The phone is of the sandbox alone. */
const ofSandbox = /^phone\b/;

function readFiles({ console: withConsole, account }: PagesOptions): ReadonlyMap<string, Asset> {
  const names = readdirSync(folder).filter((name) => /\.(js|css|svg)$/.test(name));
  const known = names.filter((name) => account === 'sandbox' || !ofSandbox.test(name));
  const own = known.filter((name) => withConsole || ofHome.includes(name));
  const files = own.map((name) => [name, assetOf(extname(name), readFileSync(join(folder, name)))] as const);
  return new Map([...files, ...(withConsole ? packageFiles() : [])]);
}

const require = createRequire(import.meta.url);

/** The modules of packages, under names that a browser can resolve. */
const packageFiles = (): [string, Asset][] =>
  Object.entries({
    'preact.js': require.resolve('preact'),
    'hooks.js': require.resolve('preact/hooks'),
    'htm.js': join(dirname(require.resolve('htm')), 'htm.module.js'),
  }).map(([name, path]) => {
    const text = readFileSync(path, 'utf8')
      .replace(/from\s*"preact"/, 'from"./preact.js"')
      // The map is not served.
      .replace(/\n\/\/# sourceMappingURL=.*\s*$/, '\n');
    return [name, assetOf('.js', text)];
  });
