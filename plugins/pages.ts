import { hash } from 'node:crypto';
import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify';
import fp from 'fastify-plugin';
import { type Asset, assetOf, consolePage, readAssets } from '../src/docs/console-files.ts';
import { homePage } from '../src/docs/home-page.ts';
import { Problem } from '../src/problem.ts';

export interface PagesOptions {
  account: 'sandbox' | 'real';
  /** Whether `/docs` exists and can be linked. */
  docs: boolean;
  console: boolean;
  version: string;
}

/** Allows only scripts and styles of this service, nothing inline, and no text that becomes markup or code. */
const pagePolicy =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

/**
 * Serves `/` and `/console`. Their files are read once, at the start, and served under a path that contains the digest of all
 * files, so browsers cache them until the version changes.
 */
const routes: FastifyPluginAsync<PagesOptions> = async (app, options) => {
  const files = readAssets({ withConsole: options.console, isSandbox: options.account === 'sandbox' });
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
    const page = assetOf('.html', consolePage(facts));
    for (const path of ['/console', '/console/']) {
      app.get(path, hidden, (request, reply) => sendPage(page, request, reply));
    }
  }

  app.get<{ Params: { digest: string; file: string } }>('/assets/:digest/:file', hidden, (request, reply) => {
    const asset = files.get(request.params.file);
    if (asset === undefined) throw new Problem('not-found', 'there is no such path');
    // While replicas are replaced, a page of another version may ask. It gets the present file, which it must not cache.
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
