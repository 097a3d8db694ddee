import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { escaped, page } from '../lib/html.ts';

/** Folders that may contain README.md and docs/: the parent of `src`, or that of `dist`. */
const folders = [join(import.meta.dirname, '..', '..'), join(import.meta.dirname, '..', '..', '..')];

/** The guides as HTML, by their path under `/docs/guides`, with `''` for the list; empty if the guides are not there. Built once. */
export function guidePages(): ReadonlyMap<string, string> {
  const folder = folders.find((each) => existsSync(join(each, 'docs')) && existsSync(join(each, 'README.md')));
  if (folder === undefined) return new Map();
  const guides = readdirSync(join(folder, 'docs')).filter((name) => /^[a-z-]+\.md$/.test(name));
  const files = ['README.md', ...guides.toSorted()];
  const texts = files.map(
    (name) =>
      [name, withoutPictures(readFileSync(join(folder, name === 'README.md' ? '' : 'docs', name), 'utf8'))] as const,
  );
  const list = texts.map(([name, text]) => `<li><a href="/docs/guides/${name}">${escaped(titleOf(text))}</a></li>`);
  return new Map([
    ['', page('Guides', `<ul>\n${list.join('\n')}\n</ul>\n${back}`)],
    ...texts.map(
      ([name, text]) =>
        [
          name,
          page(titleOf(text), `<pre>${linked(escaped(text.replace(/^# .*\n+/, '')), files)}</pre>\n${back}`),
        ] as const,
    ),
  ]);
}

const back = '<p><a href="/docs/guides">All guides</a> · <a href="/docs">All calls</a></p>';

/** Removes pictures, because the pages show only text. */
const withoutPictures = (text: string): string => text.replace(/<picture>.*?<\/picture>\n*/s, '');

const titleOf = (text: string): string => /^# (.+)$/m.exec(text)?.[1] ?? 'Guide';

/** Links between guides are kept; links to other files become text. */
const linked = (html: string, files: readonly string[]): string =>
  html.replace(
    /\[([^[\]\n]{1,200})\]\((?:\.\.\/|docs\/)?([A-Za-z-]+\.md)(?:#[\w-]*)?\)/g,
    (whole, words: string, name: string) =>
      files.includes(name) ? `<a href="/docs/guides/${name}">${words}</a>` : whole,
  );
