import { hash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { problemTypes } from '../../src/problem-types.ts';
import { problem } from '../support/problem-type.ts';
import { type Service, startService } from '../support/service.ts';

const browser = 'text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8';

let service: Service;
beforeAll(async () => {
  service = await startService();
});
afterAll(() => service.close());
const read = (path: string, accept?: string) =>
  service.ask('GET', path, { key: null, ...(accept !== undefined && { headers: { accept } }) });

const escaped = (text: string) =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');

/** What a person sees of the page. */
const shown = (html: string) =>
  html
    .replace(/<code>|<\/code>/g, '`')
    .replaceAll('&#39;', "'")
    .replace(/<style>.*<\/style>/s, '');

describe('the pages of the problem types', () => {
  it('exist for every type, without a key, for programs', async () => {
    for (const [slug, type] of Object.entries(problemTypes)) {
      const answer = await read(`/problems/${slug}`);
      expect([answer.status, answer.json]).toEqual([200, { type: `/problems/${slug}`, ...type }]);
    }
    for (const slug of ['nope', 'toString', '__proto__', 'Internal', '%3Cscript%3E']) {
      const answer = await read(`/problems/${slug}`, browser);
      expect(answer.json).toMatchObject({ type: problem('not-found'), status: 404 });
    }
  });

  it('say the same to a person, with special characters escaped', async () => {
    for (const [slug, { title, meaning, cause, remedy, repeat }] of Object.entries(problemTypes)) {
      const { status, text } = await read(`/problems/${slug}`, browser);
      expect([status, text.slice(0, 15)]).toEqual([200, '<!doctype html>']);
      for (const words of [title, meaning, cause, remedy, repeat]) expect(shown(text), slug).toContain(escaped(words));
    }
    expect((await read('/problems/unauthorized', browser)).text).toContain(
      '<code>Authorization: Bearer &lt;key&gt;</code>',
    );
  });

  it('are listed: as JSON, and as links to each of them', async () => {
    const { json } = await read('/problems');
    expect(json).toEqual({ data: expect.any(Array) });
    const listed = Object.entries(problemTypes).map(([slug, type]) => ({ type: `/problems/${slug}`, ...type }));
    expect(json).toEqual({ data: expect.arrayContaining(listed) });
    const { text } = await read('/problems', browser);
    const links = [...text.matchAll(/<a href="([^"]+)">/g)].map((match) => match[1]);
    expect(links.sort()).toEqual(listed.map(({ type }) => type).sort());
  });

  it.each([
    ['nothing', undefined, 'json'],
    ['*/*, as curl does', '*/*', 'json'],
    ['JSON', 'application/json', 'json'],
    ['an image', 'image/png', 'json'],
    ['rather JSON', 'text/html;q=0.5, application/json', 'json'],
    ['JSON by what is left over', 'text/html;q=0.1, */*', 'json'],
    ['anything but HTML', 'text/html;q=0, */*', 'json'],
    ['nonsense', ';;,q=,/', 'json'],
    ['what browsers say', browser, 'html'],
    ['rather HTML', 'application/json;q=0.5, TEXT/HTML', 'html'],
    ['any text', 'text/*', 'html'],
  ])('answer a caller that accepts %s', async (_what, accept, form) => {
    for (const path of ['/problems', '/problems/internal']) {
      const { status, headers } = await read(path, accept);
      const type = form === 'html' ? 'text/html; charset=utf-8' : 'application/json; charset=utf-8';
      expect([status, headers['content-type'], headers.vary]).toEqual([200, type, 'accept']);
    }
  });

  it('let a browser apply their own style, and run and load nothing', async () => {
    for (const path of ['/problems', '/problems/internal']) {
      const { text, headers } = await read(path, browser);
      const style = /<style>(.*)<\/style>/s.exec(text)?.[1] ?? 'none';
      expect(headers['content-security-policy']).toBe(
        `default-src 'none'; style-src 'sha256-${hash('sha256', style, 'base64')}'; frame-ancestors 'none'; sandbox`,
      );
      expect(headers['x-content-type-options']).toBe('nosniff');
      expect(text).not.toMatch(/<script|\son\w+=|\ssrc=|url\(|@import|https?:/);
    }
    // Nothing of that is loosened for the rest.
    expect((await read('/problems')).headers['content-security-policy']).not.toContain('style-src');
  });
});
