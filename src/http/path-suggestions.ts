import type { FastifyInstance } from 'fastify';
import { nearest } from '../lib/did-you-mean.ts';

/** Longer paths are not compared. */
const lengthMax = 64;

/** For an unknown path: `; did you mean /v1/...?` with the nearest pattern, if one is near. Call before the routes are registered. */
export function watchPaths(app: FastifyInstance): (url: string) => string {
  const known = new Set<string>();
  app.addHook('onRoute', ({ url, schema }) => {
    if (schema?.hide !== true && !url.includes('*')) known.add(url);
  });
  return (url) => {
    const called = url.split('?', 1)[0] ?? '';
    const path = called.endsWith('/') ? called.slice(0, -1) : called;
    if (path.length > lengthMax || path === '') return '';
    const segments = path.split('/');
    // Compares only the fixed segments, not the values of parameters.
    const filled = new Map<string, string>();
    for (const pattern of known) {
      const words = pattern.split('/');
      const skips = words.length - segments.length === 1 && words[1] === 'v1' ? 1 : 0;
      if (words.length - skips !== segments.length) continue;
      const like = words.map((word, at) => (word.startsWith(':') ? segments[at - skips] : word)).join('/');
      if (!filled.has(like)) filled.set(like, pattern);
    }
    const found = filled.get(nearest(path, [...filled.keys()]) ?? '');
    return found === undefined ? '' : `; did you mean ${templateOf(found)}?`;
  };
}

/** `/v1/contacts/:recipient` -> `/v1/contacts/{recipient}`. */
const templateOf = (pattern: string): string =>
  pattern
    .split('/')
    .map((word) => (word.startsWith(':') ? `{${word.slice(1)}}` : word))
    .join('/');
