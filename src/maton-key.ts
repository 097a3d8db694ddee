import { readFileSync, unwatchFile, watchFile } from 'node:fs';

/** The key that goes into one header, to Maton's two hosts, and nowhere else. */
export interface MatonKey {
  current(): string;
  close(): void;
}

/** It goes into a header as it is: anything else would fail on the first call instead of now. */
export const fitsHeader = (key: string): boolean => /^[!-~]+$/.test(key);

/**
 * A key that can be rotated without a restart: its file is followed by polling, as the callers' is. A version that cannot be
 * read, is empty or cannot stand in a header leaves the old one in force. `onChange` hears of both, and of a new key before
 * it is used.
 */
export function followMatonKey(
  path: string,
  first: string,
  onChange: (change: { key: string } | { error: Error }) => void,
  intervalMs = 1_000,
): MatonKey {
  let key = first;
  const listener = () => {
    try {
      const next = readFileSync(path, 'utf8').trim();
      if (next === key) return;
      if (!fitsHeader(next)) throw new Error('it is empty, or has a character that cannot stand in a header');
      onChange({ key: next });
      key = next;
    } catch (error) {
      onChange({ error: error instanceof Error ? error : new Error(String(error)) });
    }
  };
  watchFile(path, { interval: intervalMs, persistent: false }, listener);
  return { current: () => key, close: () => unwatchFile(path, listener) };
}
