import { hash, timingSafeEqual } from 'node:crypto';
import { followFile } from '../lib/follow-file.ts';
import { parseTokens, type TokenEntry } from './token-entry.ts';

/** A sender of webhooks. Its connection follows from its token alone, never from the body. */
export interface IntakeSource {
  readonly name: string;
  readonly connectionId: string;
}

/** Finds senders of webhooks by token. */
export interface IntakeTokens {
  /** Compares in constant time, so that the duration reveals nothing about the tokens. */
  find(token: string): IntakeSource | undefined;
  /** The connections that have a token now. */
  connections(): readonly string[];
  /**
   * Whether the file was valid when it was last read; since when (ms since 1970) its current version is in force, and with how
   * many entries.
   */
  file(): { valid: boolean; sinceMs: number; entries: number };
  close(): void;
}

/** Which entries a new version of the file changes, by name. */
export interface TokensChange {
  readonly entries: number;
  readonly added: readonly string[];
  readonly removed: readonly string[];
  /** Entries whose connection or tokens changed. */
  readonly changed: readonly string[];
}

interface TokenIndex {
  readonly entries: readonly TokenEntry[];
  readonly tokens: readonly { digest: Buffer; source: IntakeSource }[];
  readonly connections: readonly string[];
}

const indexTokens = (entries: readonly TokenEntry[]): TokenIndex => ({
  entries,
  tokens: entries.flatMap(({ name, connectionId, tokenSha256 }) =>
    tokenSha256.map((sha256) => ({ digest: Buffer.from(sha256, 'hex'), source: { name, connectionId } })),
  ),
  connections: [...new Set(entries.map(({ connectionId }) => connectionId))],
});

function findSource({ tokens }: TokenIndex, token: string): IntakeSource | undefined {
  const digest = hash('sha256', token, 'buffer');
  let found: IntakeSource | undefined;
  // Compares every entry, so that the duration does not show which one matched.
  for (const entry of tokens) if (timingSafeEqual(entry.digest, digest)) found = entry.source;
  return found;
}

interface FollowTokens {
  onChange: (change: TokensChange | { error: Error }) => void;
  intervalMs?: number;
  /** Wall clock, ms. */
  now?: () => number;
}

/** Tokens from a file that is followed while the service runs. Throws if its first version cannot be read. */
export function tokensFromFile(path: string, { onChange, ...rest }: FollowTokens): IntakeTokens {
  const file = followFile(path, {
    parse: (text) => indexTokens(parseTokens(text)),
    onChange: (change) =>
      onChange('error' in change ? change : changeBetween(change.before.entries, change.after.entries)),
    ...rest,
  });
  return {
    find: (token) => findSource(file.current(), token),
    connections: () => file.current().connections,
    file: () => ({ ...file.state(), entries: file.current().entries.length }),
    close: file.close,
  };
}

/** A fixed list of senders, for tests and the sandbox. */
export function fixedTokens(entries: readonly TokenEntry[], now: () => number = Date.now): IntakeTokens {
  const index = indexTokens(entries);
  const state = { valid: true, sinceMs: now(), entries: entries.length };
  return {
    find: (token) => findSource(index, token),
    connections: () => index.connections,
    file: () => state,
    close: () => {},
  };
}

function changeBetween(before: readonly TokenEntry[], after: readonly TokenEntry[]): TokensChange {
  const contents = (entries: readonly TokenEntry[]) =>
    new Map(entries.map(({ name, ...rest }) => [name, JSON.stringify([rest.connectionId, rest.tokenSha256])]));
  const [old, now] = [contents(before), contents(after)];
  return {
    entries: after.length,
    added: [...now.keys()].filter((name) => !old.has(name)),
    removed: [...old.keys()].filter((name) => !now.has(name)),
    changed: [...now].flatMap(([name, content]) => (old.has(name) && old.get(name) !== content ? [name] : [])),
  };
}
