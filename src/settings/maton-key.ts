import { readFileSync } from 'node:fs';
import { toError } from '../lib/to-error.ts';

/** The Maton key. It is sent in one header, to Maton's two hosts, and nowhere else. */
export interface MatonKey {
  current(): string;
  close(): void;
}

/** Characters that a header may contain. Any other would make the first call fail, instead of the start. */
export const fitsHeader = (key: string): boolean => /^[!-~]+$/.test(key);

/** A shorter key is a mistake, and would be found by chance in unrelated texts. */
export const keyLengthMin = 16;

/**
 * A key that can be rotated without a restart. Its file is polled, because file events miss how Kubernetes swaps a mounted
 * secret. A version that cannot be read, is too short or cannot stand in a header is ignored. `onChange` is called once per
 * fault, and for a new key before it is used.
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
