import { readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { startService } from '../support/service.ts';

/** The policy of the service's own pages: only their own scripts and styles, and no text that becomes code. */
const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join('; ');

const linksOf = (text: string) => [...text.matchAll(/(?:href|src)="([^"]+)"/g)].map(([, path]) => String(path));

describe('/', () => {
  it.each([
    ['a sandbox', true, '<strong>SANDBOX</strong> Everything is simulated'],
    ['a real account', false, '<strong>REAL ACCOUNT</strong> What is sent here reaches real people'],
  ])('is a page that says that there is %s behind it, and leads on', async (_what, sandbox, words) => {
    await using service = await closing({ DOCS: 'on' }, sandbox);
    const { status, headers, text } = await service.ask('GET', '/', { key: null });
    expect([status, headers['content-type']]).toEqual([200, 'text/html; charset=utf-8']);
    expect(text).toContain(words);
    const paths = linksOf(text);
    expect(paths).toEqual(expect.arrayContaining(['/docs', '/docs/guides', '/problems', '/health/ready', '/console']));
    for (const path of paths) expect((await service.ask('GET', path, { key: null })).status, path).toBe(200);
    expect(headers['content-security-policy']).toBe(policy);
    expect(text).not.toMatch(/<script>|<style|\son\w+=|\sstyle=/);
  });

  it('leads to no page that there is not', async () => {
    await using service = await closing({ DOCS: 'off', CONSOLE: 'off' }, false);
    const { text } = await service.ask('GET', '/', { key: null });
    expect(text).not.toMatch(/\/docs|\/console/);
    expect(text).toContain('/problems');
    for (const path of linksOf(text)) expect((await service.ask('GET', path, { key: null })).status, path).toBe(200);
    for (const path of ['/docs/guides', '/console', '/assets/x/app.js', '/assets/x/preact.js']) {
      expect((await service.ask('GET', path, { key: null })).status, path).toBe(404);
    }
  });
});

describe('/console', () => {
  it('is served without a key, also when the docs are off, with a strict policy and nothing inline', async () => {
    await using service = await closing({ DOCS: 'off' }, true);
    for (const path of ['/console', '/console/']) {
      const { status, headers, text } = await service.ask('GET', path, { key: null });
      expect([status, headers['content-type'], headers['cache-control']]).toEqual([
        200,
        'text/html; charset=utf-8',
        'no-cache',
      ]);
      expect(headers['content-security-policy']).toBe(policy);
      expect(headers['referrer-policy']).toBe('no-referrer');
      expect(text).toContain('data-account="sandbox"');
      expect(text).not.toMatch(/\{\{|<script>|<style|\son\w+=|\sstyle=/);
    }
    const { headers } = await service.ask('GET', '/console', { key: null });
    const again = await service.ask('GET', '/console', {
      key: null,
      headers: { 'if-none-match': String(headers.etag) },
    });
    expect(again.status).toBe(304);
  });

  it('serves every module that its modules import, and browsers cache them until the version changes', async () => {
    // With the phone, which a real account does not have.
    await using service = await closing({}, true);
    const { text } = await service.ask('GET', '/console', { key: null });
    const [entry = ''] = linksOf(text).filter((path) => path.endsWith('/app.js'));
    const folder = entry.slice(0, entry.lastIndexOf('/'));
    const seen = new Set<string>();
    const walk = async (name: string): Promise<void> => {
      if (seen.has(name)) return;
      seen.add(name);
      const { status, headers, text: code } = await service.ask('GET', `${folder}/${name}`, { key: null });
      expect([status, headers['content-type']], name).toEqual([200, 'text/javascript; charset=utf-8']);
      expect(headers['cache-control'], name).toBe('public, max-age=31536000, immutable');
      const specifiers = [...code.matchAll(/\b(?:from|import)\s*\(?\s*["']([^"']+)["']/g)].map(([, from]) =>
        String(from),
      );
      for (const from of specifiers.filter((each) => !each.endsWith('.ts'))) {
        expect(from, name).toMatch(/^\.\/[a-z-]+\.js$/);
        await walk(from.slice(2));
      }
    };
    await walk('app.js');
    expect([...seen]).toEqual(expect.arrayContaining(['preact.js', 'hooks.js', 'htm.js', 'overview.js', 'phone.js']));
    await using real = await closing({}, false);
    expect((await real.ask('GET', '/assets/x/phone.js', { key: null })).status).toBe(404);
    // A page of another version gets the present file, and does not cache it.
    const other = await service.ask('GET', '/assets/other/app.js', { key: null });
    expect([other.status, other.headers['cache-control']]).toEqual([200, 'no-cache']);
    for (const name of ['index.html', 'htm.d.ts', '..%2fapp.js', 'nothing.js']) {
      expect((await service.ask('GET', `${folder}/${name}`, { key: null })).status, name).toBe(404);
    }
  });
});

describe('/docs', () => {
  it('says what Execute does, and leads to guides and problems', async () => {
    for (const [sandbox, words] of [
      [true, 'SANDBOX: everything is simulated'],
      [false, 'REAL ACCOUNT: Execute sends to customers'],
    ] as const) {
      await using service = await closing({ DOCS: 'on' }, sandbox);
      const { text } = await service.ask('GET', '/docs', { key: null });
      for (const part of [words, 'name="viewport"', '/docs/guides', '/docs/guides/README.md', '/problems'])
        expect(text).toContain(part);
    }
  });

  it('shows every guide, which leads to the others', async () => {
    await using service = await closing({ DOCS: 'on' }, true);
    const { text: list } = await service.ask('GET', '/docs/guides', { key: null });
    const paths = [...list.matchAll(/href="(\/docs\/guides\/[^"]+)"/g)].map(([, path]) => String(path));
    expect(paths).toHaveLength(readdirSync('docs').filter((name) => name.endsWith('.md')).length + 1);
    for (const path of paths) {
      const { status, text, headers } = await service.ask('GET', path, { key: null });
      expect([status, headers['content-type']], path).toEqual([200, 'text/html; charset=utf-8']);
      for (const [, target] of text.matchAll(/href="(\/docs\/guides\/[^"]+)"/g)) expect(paths, path).toContain(target);
      // Nothing of a guide is markup.
      expect(
        text.replaceAll(/<\/?(a|p|pre|h1|html|head|meta|title|style|body|!doctype)\b[^>]*>/g, ''),
        path,
      ).not.toMatch(/<\w/);
    }
    expect((await service.ask('GET', '/docs/guides/nothing.md', { key: null })).status).toBe(404);
  });

  it('shows them to callers alone where the documents need a key', async () => {
    await using service = await closing({ DOCS: 'key' }, false);
    for (const path of ['/docs/guides', '/docs/guides/README.md']) {
      expect((await service.ask('GET', path, { key: null })).status).toBe(401);
      expect((await service.ask('GET', path)).status).toBe(200);
    }
  });
});

async function closing(settings: Record<string, string>, sandbox: boolean) {
  const service = await startService({ settings: { CONSOLE: 'on', ...settings }, seams: { sandbox } });
  return { ...service, [Symbol.asyncDispose]: () => service.close() };
}
