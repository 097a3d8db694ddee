import { type Callers, findHolder, heldBefore, indexCallers } from '../callers.ts';
import { followFile } from '../lib/follow-file.ts';
import { type CallerChange, changesOf } from './changes.ts';
import { parseCallers } from './parse.ts';

/** Called for each version of the file: it was accepted, with its changes, or refused. */
export type FileChange = { callers: number; changes: CallerChange[] } | { error: Error };

export interface FollowOptions {
  onChange: (change: FileChange) => void;
  intervalMs?: number;
  /** Wall clock, ms. */
  now?: () => number;
}

/** Callers from a file that is followed while the service runs. Throws if its first version cannot be read. */
export function callersFromFile(path: string, { onChange, now = Date.now, ...rest }: FollowOptions): Callers {
  const file = followFile(path, {
    parse: (text) => {
      const entries = parseCallers(text);
      return { entries, index: indexCallers(entries) };
    },
    onChange: (change) => {
      if ('error' in change) return onChange(change);
      const { before, after } = change;
      onChange({ callers: after.index.byId.size, changes: changesOf(before.entries, after.entries) });
    },
    now,
    ...rest,
  });
  const index = () => file.current().index;
  return {
    find: (key) => findHolder(index(), key, now()),
    hasExpired: (key) => heldBefore(index(), key),
    byId: (id) => index().byId.get(id),
    list: () => index().listed,
    file: () => ({ ...file.state(), callers: index().byId.size }),
    close: file.close,
  };
}
