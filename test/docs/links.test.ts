import { existsSync, globSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { expect, it } from 'vitest';

const filesIn = (folder: string, ending: RegExp) =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => ending.test(name) && !/(^|\/)(node_modules|generated)\//.test(name))
    .map((name) => join(folder, name));

const documents = [
  ...readdirSync('.').filter((name) => name.endsWith('.md')),
  ...['docs', 'clients'].flatMap((folder) => filesIn(folder, /\.md$/)),
];
const sources = [
  ...['src', 'routes', 'plugins', 'test', 'bench', 'ops'].flatMap((folder) => filesIn(folder, /\.(ts|yaml|cfg)$/)),
  ...readdirSync('.').filter((name) => /\.(ts|yaml)$/.test(name) && name !== 'openapi.yaml'),
  ...filesIn('.ci', /^[\w.-]+$/),
].filter((name) => name !== 'ops/contract.yaml');

const texts = new Map<string, string>();
const textOf = (file: string) => {
  const text = texts.get(file) ?? readFileSync(file, 'utf8');
  texts.set(file, text);
  return text;
};

/** What stands in comments, line by line; strings that look like one are read as well, which does no harm. */
const commentsOf = (file: string): string =>
  textOf(file)
    .split('\n')
    .map((line) => /^\s*(?:\/\/|\/?\*|#)(.*)|(?:\s\/\/\s|\s\/\*\*\s|\s#\s)(.*)/.exec(line))
    .map((match) => match?.[1] ?? match?.[2] ?? '')
    .join('\n');

const headingsOf = (file: string) => [...textOf(file).matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) => heading);

/** As GitHub makes the anchors of headings. */
const anchorsOf = (file: string) =>
  new Set(
    headingsOf(file).map((heading) =>
      heading
        .toLowerCase()
        .replace(/[^\p{L}\p{N} _-]/gu, '')
        .replaceAll(' ', '-'),
    ),
  );

const faultOfLink = (file: string, target: string): string | undefined => {
  const [path = '', anchor] = target.split('#');
  const meant = path === '' ? file : normalize(join(dirname(file), path));
  if (!existsSync(meant)) return `${file}: there is no ${target}`;
  if (anchor !== undefined && !anchorsOf(meant).has(anchor)) return `${file}: ${target} has no such heading`;
  return undefined;
};

/** Paths of this repository, also with a `*`; what ends a sentence is no part of them. */
const pathsIn = (text: string) =>
  [...text.matchAll(/(?<![\w/.@-])(?:src|routes|plugins|test|bench|ops|docs|clients|\.ci)\/[\w*./-]+/g)].map(([path]) =>
    path.replace(/[./]+$/, ''),
  );
const isThere = (path: string) => (path.includes('*') ? globSync(path).length > 0 : existsSync(path));

it('leads somewhere with every link of every document', () => {
  expect(documents.length).toBeGreaterThan(15);
  const faults = documents.flatMap((file) =>
    [...textOf(file).matchAll(/\]\((?!https?:|mailto:)([^)\s]+)\)/g)].map(([, target = '']) =>
      faultOfLink(file, target),
    ),
  );
  expect(faults.filter(Boolean)).toEqual([]);
});

it('names only files that are there, in documents and in comments', () => {
  const missing = [
    ...documents.map((file): [string, string] => [file, textOf(file)]),
    ...sources.map((file): [string, string] => [file, commentsOf(file)]),
    // Also what programs print; `/docs/guides/` is a route.
    ...sources.map((file): [string, string] => [
      file,
      (textOf(file).match(/docs\/(?!guides\/)[\w/-]+\.md/g) ?? []).join(' '),
    ]),
  ].flatMap(([file, text]) =>
    pathsIn(text)
      .filter((path) => !isThere(path))
      .map((path) => `${file}: ${path}`),
  );
  expect(missing).toEqual([]);
});

it('names a heading that is there, where a comment names one', () => {
  const named = sources.flatMap((file) =>
    [...commentsOf(file).matchAll(/((?:docs\/[\w/-]+|[A-Z]{4,})\.md),\s+"([^"]+)"(?:\s+and\s+"([^"]+)")?/g)].flatMap(
      ([, document = '', ...headings]) =>
        headings.filter((heading) => heading !== undefined).map((heading) => ({ file, document, heading })),
    ),
  );
  expect(named.length).toBeGreaterThan(3);
  const wrong = named.filter(({ document, heading }) => !headingsOf(document).includes(heading.replaceAll('\n', ' ')));
  expect(wrong).toEqual([]);
});

it('cites no document that is not in the repository', () => {
  // A number behind the name of a page, a page without its folder, a mark of a table elsewhere, or an issue that readers cannot open.
  const foreign = [
    /\b(?:delivery|upstream|contract|security|events|faults|style|stack|readability)(?:\.md,?|,)? (?:rule |section )?\d+(?:\.\d+)?\b/gi,
    /(?<![\w/-])(?:[\w-]+\/)*[A-Za-z][\w-]*\.md\b/g,
    /\b(?:D[1-9]|[HW]\d{1,2})\b/g,
    /(?<!\w\/\w+ )\bissue #?\d+/gi,
  ];
  const known = new Set(documents.flatMap((file) => [file, file.replace(/^docs\//, '')]));
  const read = [
    ...sources.map((file): [string, string] => [file, commentsOf(file)]),
    ...documents.map((file): [string, string] => [file, textOf(file).replace(/\]\([^)]*\)/g, '')]),
  ];
  const cited = read.flatMap(([file, text]) =>
    foreign.flatMap((pattern) =>
      [...text.matchAll(pattern)].filter(([words]) => !known.has(words)).map(([words]) => `${file}: ${words}`),
    ),
  );
  expect(cited).toEqual([]);
});

it('names only functions that are in the file beside them', () => {
  const rows = [
    // `file`: `one`, `two`
    ...textOf('ARCHITECTURE.md').matchAll(/`([\w./-]+\.ts)`: ((?:`#?\w+`(?:, (?:and )?)?)+)/g),
    // | 1 | `file` | `one`, `two`: what happens there |
    ...textOf('ARCHITECTURE.md').matchAll(/^\| \d+ \| `([\w./-]+\.ts)` \| ((?:`#?\w+`(?:, )?)+)/gm),
  ];
  const missing = rows.flatMap(([, file = '', names = '']) =>
    [...names.matchAll(/`(#?\w+)`/g)].flatMap(([, name = '']) =>
      new RegExp(`(?<!\\w)${name}\\b`).test(textOf(file)) ? [] : [`${file}: ${name}`],
    ),
  );
  expect(rows.length).toBeGreaterThan(30);
  expect(missing).toEqual([]);
});
