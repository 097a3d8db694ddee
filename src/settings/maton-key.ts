import { readFileSync } from 'node:fs';
import { toError } from '../lib/to-error.ts';

/** The key that goes into one header, to Maton's two hosts, and nowhere else. */
export interface MatonKey {
  current(): string;
  close(): void;
}

/** It goes into a header as it is: anything else would fail on the first call instead of now. */
export const fitsHeader = (key: string): boolean => /^[!-~]+$/.test(key);

/** One that is shorter is a mistake, and would be found in texts that have nothing to do with it. */
export const keyLengthMin = 16;

/**
 * A key that can be rotated without a restart: its file is read again and again, because file events miss how Kubernetes
 * swaps a mounted secret. A version that cannot be read, is too short or cannot stand in a header leaves the old one in force.
 * `onChange` hears of each fault once, and of a new key before it is used.
 */
export function followMatonKey(
  { path, first, intervalMs = 1_000 }: { path: string; first: string; intervalMs?: number },
  onChange: (change: { key: string } | { error: Error }) => void,
): MatonKey {
  let key = first;
  let fault: string | undefined;
  const look = () => {
    try {
      const next = readFileSync(path, 'utf8').trim();
      if (next.length < keyLengthMin) throw new Error(`it has fewer than ${keyLengthMin} characters`);
      if (!fitsHeader(next)) throw new Error('it is empty, or has a character that cannot stand in a header');
      fault = undefined;
      if (next === key) return;
      onChange({ key: next });
      key = next;
    } catch (thrown) {
      const error = toError(thrown);
      if (error.message !== fault) onChange({ error });
      fault = error.message;
    }
  };
  const timer = setInterval(look, intervalMs).unref();
  return { current: () => key, close: () => clearInterval(timer) };
}
