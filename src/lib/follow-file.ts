import { readFileSync } from 'node:fs';
import { toError } from './to-error.ts';

/** A version of the file: accepted, and in force from now on, or refused. */
export type FileChange<Version> = { before: Version; after: Version } | { error: Error };

export interface FollowOptions<Version> {
  /** Parses the text of the file; throws if it has faults. */
  parse: (text: string) => Version;
  onChange: (change: FileChange<Version>) => void;
  intervalMs?: number;
  /** Wall clock, ms. */
  now?: () => number;
}

export interface FollowedFile<Version> {
  /** The version in force. */
  current(): Version;
  /** Whether the file was valid when it was last read, and since when its current version is in force (ms since 1970). */
  state(): { valid: boolean; sinceMs: number };
  close(): void;
}

/**
 * A file that is followed by polling, because file events miss how Kubernetes swaps a mounted secret. A version that cannot be
 * read is refused, and the last one stays in force; `onChange` is called for both. Throws if the first version cannot be read.
 */
export function followFile<Version>(
  path: string,
  { parse, onChange, intervalMs = 1_000, now = Date.now }: FollowOptions<Version>,
): FollowedFile<Version> {
  let text = readFileSync(path, 'utf8');
  let current = parse(text);
  let state = { valid: true, sinceMs: now() };
  let fault = '';
  // Compares contents: the modification time may be that of the previous version, and a change between two polls can be missed.
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
      // Reports the same fault only once.
      if (error.message !== fault) onChange({ error });
      fault = error.message;
    }
  };
  const timer = setInterval(look, intervalMs).unref();
  return { current: () => current, state: () => state, close: () => clearInterval(timer) };
}
