import { readFileSync } from 'node:fs';
import { toError } from './to-error.ts';

/** A version of the file: taken in the place of the one before, or refused. */
export type FileChange<Version> = { before: Version; after: Version } | { error: Error };

export interface FollowOptions<Version> {
  /** What a text says; throws where it has faults. */
  parse: (text: string) => Version;
  onChange: (change: FileChange<Version>) => void;
  intervalMs?: number;
  /** Wall clock, ms. */
  now?: () => number;
}

export interface FollowedFile<Version> {
  /** The version in force. */
  current(): Version;
  /** Whether the file could be used when it was read last, and since when the version in force is (ms since 1970). */
  state(): { valid: boolean; sinceMs: number };
  close(): void;
}

/**
 * A file, followed by polling: a mounted Kubernetes secret is swapped by a symbolic link, which file events miss. A version
 * that cannot be read keeps the old one; `onChange` hears of both. Throws if the first cannot be read.
 */
export function followFile<Version>(
  path: string,
  { parse, onChange, intervalMs = 1_000, now = Date.now }: FollowOptions<Version>,
): FollowedFile<Version> {
  let text = readFileSync(path, 'utf8');
  let current = parse(text);
  let state = { valid: true, sinceMs: now() };
  let fault = '';
  // By its content: a time of change may be that of the version before, and a change between two looks goes unseen.
  const look = () => {
    try {
      const read = readFileSync(path, 'utf8');
      if (read === text && fault === '') return;
      const change = { before: current, after: parse(read) };
      text = read;
      fault = '';
      current = change.after;
      state = { valid: true, sinceMs: now() };
      onChange(change);
    } catch (thrown) {
      const error = toError(thrown);
      state = { ...state, valid: false };
      // The same fault is told once.
      if (error.message !== fault) onChange({ error });
      fault = error.message;
    }
  };
  const timer = setInterval(look, intervalMs).unref();
  return { current: () => current, state: () => state, close: () => clearInterval(timer) };
}
