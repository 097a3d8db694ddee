import type { FastifyInstance } from 'fastify';
import { nearest } from '../lib/did-you-mean.ts';

/** Longer paths are not compared. */
const lengthMax = 128;

const endpoint = '/v1/webhook-endpoints/{id}';
/** Under which names other services have an operation: what is here in its place. */
const elsewhere: Readonly<Record<string, string>> = {
  [`${endpoint}/enable`]: `PATCH ${endpoint} with \`{"status": "enabled"}\``,
  [`${endpoint}/disable`]: `PATCH ${endpoint} with \`{"status": "disabled"}\``,
  [`${endpoint}/events`]: `${endpoint}/deliveries`,
  [`${endpoint}/attempts`]: `${endpoint}/deliveries`,
  [`${endpoint}/secret`]: `POST ${endpoint}/rotate-secret`,
  [`${endpoint}/rotate`]: `POST ${endpoint}/rotate-secret`,
  [`${endpoint}/resend`]: `POST ${endpoint}/replay`,
  [`${endpoint}/retry`]: `POST ${endpoint}/replay`,
  [`${endpoint}/ping`]: `POST ${endpoint}/test`,
  '/v1/webhooks': '/v1/webhook-endpoints',
  '/v1/webhooks/{id}': endpoint,
};

/** For an unknown path: `; did you mean /v1/...?` with the nearest pattern, if one is near. Call before the routes are registered. */
export function watchPaths(app: FastifyInstance): (url: string) => string {
  const known = new Set<string>();
  app.addHook('onRoute', ({ url, schema }) => {
    if (schema?.hide !== true && !url.includes('*')) known.add(templateOf(url));
  });
  return (url) => {
    const called = url.split('?', 1)[0] ?? '';
    const path = called.endsWith('/') ? called.slice(0, -1) : called;
    if (path.length > lengthMax || path === '') return '';
    const segments = path.split('/');
    const named = Object.keys(elsewhere).find((template) => misspelt(template.split('/'), segments) === 0);
    const found = (named && elsewhere[named]) ?? nearestOf(known, segments);
    return found === undefined ? '' : `; did you mean ${found}?`;
  };
}

/** The template that has the fewest misspelt words. */
function nearestOf(known: ReadonlySet<string>, segments: readonly string[]): string | undefined {
  let best: { template: string; count: number } | undefined;
  for (const template of known) {
    const words = template.split('/');
    const isUnversioned = words.length - segments.length === 1 && words[1] === 'v1';
    const count = misspelt(words, isUnversioned ? ['', 'v1', ...segments.slice(1)] : segments);
    if (count !== undefined && (best === undefined || count < best.count)) best = { template, count };
  }
  return best?.template;
}

/** How many words are misspelt; undefined: one is another word. The values of parameters are not compared. */
function misspelt(words: readonly string[], segments: readonly string[]): number | undefined {
  if (words.length !== segments.length) return undefined;
  let count = 0;
  for (const [at, word] of words.entries()) {
    const segment = segments[at] ?? '';
    if (word === segment || (word.startsWith('{') && segment !== '')) continue;
    if (nearest(segment, [word]) === undefined) return undefined;
    count += 1;
  }
  return count;
}

/** `/v1/contacts/:recipient` -> `/v1/contacts/{recipient}`. */
const templateOf = (pattern: string): string =>
  pattern
    .split('/')
    .map((word) => (word.startsWith(':') ? `{${word.slice(1)}}` : word))
    .join('/');
