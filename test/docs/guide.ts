import { readFileSync } from 'node:fs';
import { isRecord } from '../support/json.ts';

/** One block of shell, and what the text below it says of its answer. */
export interface Step {
  file: string;
  line: number;
  code: string;
  /** Of "answers `201`". */
  status?: number;
  /** The JSON block that follows. */
  shown?: unknown;
  /** The block of text that follows after "prints". */
  printed?: string;
}

const languages = new Set(['sh', 'json', 'text']);

/** The blocks of a document in order. Throws on a block that would stay unchecked: of another language, or JSON without a call. */
export function stepsOf(file: string): Step[] {
  const text = readFileSync(file, 'utf8');
  const steps: Step[] = [];
  let end = 0;
  let last: Step | undefined;
  const hear = (prose: string) => {
    const status = /\banswers `(\d{3})`/.exec(prose)?.[1];
    if (status !== undefined && last) last.status = Number(status);
  };
  for (const match of text.matchAll(/^```(\S*)\n(.*?)^```$/gms)) {
    const [whole, language = '', code = ''] = match;
    const prose = text.slice(end, match.index);
    const line = text.slice(0, match.index).split('\n').length;
    end = match.index + whole.length;
    hear(prose);
    if (!languages.has(language)) throw new Error(`${file}:${line}: a block must be sh, json or text`);
    if (language === 'json') {
      if (last?.status === undefined) throw new Error(`${file}:${line}: nothing says which call answers this`);
      last.shown = JSON.parse(code);
    } else if (language === 'text' && last && /\bprints\s*$/.test(prose)) {
      last.printed = code;
    } else if (language === 'sh' && !/<!-- not run: .+ -->\s*$/.test(prose)) {
      last = { file, line, code };
      steps.push(last);
    } else last = undefined;
  }
  hear(text.slice(end));
  return steps;
}

/** Ids, times and tokens differ from run to run; all else is as shown. */
const settled = (text: string) =>
  text
    .replace(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, 'ID')
    .replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, 'TIME')
    .replace(/^evt_[\w-]+$/, 'EVENT')
    // Of events: 48 bytes.
    .replace(/^[\w-]{64}$/, 'CURSOR')
    // The sandbox of a test listens elsewhere.
    .replace(/^http:\/\/127\.0\.0\.1:\d+\//, 'SERVICE/')
    .replace(/^https:\/\/connect\.maton\.ai\/.*$/, 'SECRET');

/** Where an answer is not what a document shows. It may have more; how far a broadcast is may differ while it runs. */
export function differences(shown: unknown, actual: unknown, at = ''): string[] {
  if (Array.isArray(shown)) {
    if (!Array.isArray(actual)) return [`${at} is no list`];
    return shown.flatMap((item, index) => differences(item, actual[index], `${at}/${index}`));
  }
  if (isRecord(shown)) {
    if (!isRecord(actual)) return [`${at} is no object`];
    const moving = shown.status === 'running';
    return Object.entries(shown).flatMap(([name, value]) =>
      moving && name === 'counts'
        ? differences(typesOf(value), typesOf(actual[name]), `${at}/${name}`)
        : differences(value, actual[name], `${at}/${name}`),
    );
  }
  const same = typeof shown === 'string' && typeof actual === 'string' && settled(shown) === settled(actual);
  return same || shown === actual ? [] : [`${at} is ${JSON.stringify(actual)}, shown is ${JSON.stringify(shown)}`];
}

const typesOf = (value: unknown) =>
  isRecord(value) ? Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, typeof inner])) : value;
