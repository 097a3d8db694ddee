import { readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { startService } from '../support/service.ts';

describe('/', () => {
  it.each([
    ['a sandbox', true, 'SANDBOX: everything is simulated'],
    ['a real account', false, 'REAL ACCOUNT: what is sent here reaches real people'],
  ])('is a page that says that there is %s behind it, and leads on', async (_what, sandbox, words) => {
    await using service = await closing({ DOCS: 'on' }, sandbox);
    const { status, headers, text } = await service.ask('GET', '/', { key: null });
    expect([status, headers['content-type']]).toEqual([200, 'text/html; charset=utf-8']);
    expect(text).toContain(words);
    const paths = [...text.matchAll(/(?:href|src)="([^"]+)"/g)].map(([, path]) => String(path));
    expect(paths).toEqual(expect.arrayContaining(['/docs', '/docs/guides', '/problems', '/health/ready', '/home.js']));
    for (const path of paths) expect((await service.ask('GET', path, { key: null })).status, path).toBe(200);
    // A script of ours and no other, and no style but this one.
    expect(headers['content-security-policy']).toMatch(
      /^default-src 'none'; style-src 'sha256-[^']+'; script-src 'self'; connect-src 'self';.* frame-ancestors 'none'$/,
    );
    expect(text).not.toMatch(/<script>|\son\w+=|\sstyle=/);
  });

  it('leads to no page that there is not', async () => {
    await using service = await closing({ DOCS: 'off' }, false);
    const { text } = await service.ask('GET', '/', { key: null });
    expect(text).not.toContain('/docs');
    expect(text).toContain('/problems');
    expect((await service.ask('GET', '/docs/guides', { key: null })).status).toBe(404);
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
  const service = await startService({ settings, seams: { sandbox } });
  return { ...service, [Symbol.asyncDispose]: () => service.close() };
}
