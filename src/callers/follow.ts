import { readFileSync, unwatchFile, watchFile } from 'node:fs';
import { type Callers, findHolder, indexCallers } from '../callers.ts';
import { type CallerChange, changesOf } from './changes.ts';
import { parseCallers } from './parse.ts';

/** A version of the file: taken, with what is different in it, or refused. */
export type FileChange = { callers: number; changes: CallerChange[] } | { error: Error };

export interface FollowOptions {
  onChange: (change: FileChange) => void;
  intervalMs?: number;
  /** Wall clock, ms. */
  now?: () => number;
}

/**
 * Callers from a file, followed by polling: a mounted Kubernetes secret is swapped by a symbolic link, which file events
 * miss. A version that cannot be read keeps the old one; `onChange` hears of both. Throws if the first cannot be read.
 */
export function callersFromFile(
  path: string,
  { onChange, intervalMs = 1_000, now = Date.now }: FollowOptions,
): Callers {
  const read = () => parseCallers(readFileSync(path, 'utf8'));
  let entries = read();
  let index = indexCallers(entries);
  let state = { valid: true, sinceMs: now() };
  const listener = () => {
    try {
      const next = read();
      const changes = changesOf(entries, next);
      entries = next;
      index = indexCallers(next);
      state = { valid: true, sinceMs: now() };
      onChange({ callers: index.byId.size, changes });
    } catch (error) {
      state = { ...state, valid: false };
      onChange({ error: error instanceof Error ? error : new Error(String(error)) });
    }
  };
  watchFile(path, { interval: intervalMs, persistent: false }, listener);
  return {
    find: (key) => findHolder(index, key, now()),
    byId: (id) => index.byId.get(id),
    list: () => index.listed,
    file: () => ({ ...state, callers: index.byId.size }),
    close: () => unwatchFile(path, listener),
  };
}
