import { readFileSync } from 'node:fs';
import { type Callers, findHolder, heldBefore, indexCallers } from '../callers.ts';
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
  let text = readFileSync(path, 'utf8');
  let entries = parseCallers(text);
  let index = indexCallers(entries);
  let state = { valid: true, sinceMs: now() };
  let fault = '';
  // By its content: a time of change may be that of the version before, and a change between two looks goes unseen.
  const look = () => {
    try {
      const read = readFileSync(path, 'utf8');
      if (read === text && fault === '') return;
      const next = parseCallers(read);
      const changes = changesOf(entries, next);
      text = read;
      fault = '';
      entries = next;
      index = indexCallers(next);
      state = { valid: true, sinceMs: now() };
      onChange({ callers: index.byId.size, changes });
    } catch (thrown) {
      const error = thrown instanceof Error ? thrown : new Error(String(thrown));
      state = { ...state, valid: false };
      // The same fault is told once.
      if (error.message !== fault) onChange({ error });
      fault = error.message;
    }
  };
  const timer = setInterval(look, intervalMs).unref();
  return {
    find: (key) => findHolder(index, key, now()),
    hasExpired: (key) => heldBefore(index, key),
    byId: (id) => index.byId.get(id),
    list: () => index.listed,
    file: () => ({ ...state, callers: index.byId.size }),
    close: () => clearInterval(timer),
  };
}
