import type { Logger } from 'pino';
import type { Config } from '../config.ts';
import { type FollowedFile, followFile } from '../lib/follow-file.ts';
import { followMatonKey, type MatonKey } from '../settings/maton-key.ts';
import { parseSigningKeys } from '../settings/signing-keys.ts';

/** What no line of the log may hold: the newest of each kind, because an old one may be in force elsewhere. */
export interface HiddenSecrets {
  readonly list: readonly string[];
  addMatonKey(key: string): void;
  addSigningKeys(keys: readonly string[]): void;
}

/** How many of each kind: the log looks for nine at most. */
const newest = 4;

export function hideSecrets({ MATON_API_KEY, EVENTS_SIGNING_KEYS }: Config): HiddenSecrets {
  const list: string[] = [];
  const maton: string[] = [];
  let signing: string[] = [];
  const renew = () => list.splice(0, list.length, ...signing.slice(-newest), ...maton.slice(-newest));
  const hidden: HiddenSecrets = {
    list,
    addMatonKey: (key) => {
      maton.push(key);
      renew();
    },
    addSigningKeys: (keys) => {
      signing = [...signing.filter((key) => !keys.includes(key)), ...keys];
      renew();
    },
  };
  hidden.addMatonKey(MATON_API_KEY);
  hidden.addSigningKeys(EVENTS_SIGNING_KEYS);
  return hidden;
}

/** Only a file can change while the service runs. */
export function followKey(config: Config, hidden: HiddenSecrets, logger: Logger): MatonKey | undefined {
  const path = process.env.MATON_API_KEY_FILE;
  if (path === undefined || path === '') return undefined;
  return followMatonKey({ path, first: config.MATON_API_KEY }, (change) => {
    if ('error' in change) {
      logger.error({ reason: reasonOf(change.error) }, 'MATON_API_KEY_FILE has no new key; the old one stays');
      return;
    }
    hidden.addMatonKey(change.key);
    logger.info('MATON_API_KEY_FILE was read again: a new key is in use');
  });
}

/** The keys that webhooks are signed with, where they stand in a file. */
export function followSigningKeys(hidden: HiddenSecrets, logger: Logger): FollowedFile<readonly string[]> | undefined {
  const path = process.env.EVENTS_SIGNING_KEY_FILE;
  if (path === undefined || path === '') return undefined;
  return followFile(path, {
    parse: parseSigningKeys,
    onChange: (change) => {
      if ('error' in change) {
        const reason = reasonOf(change.error);
        logger.error({ reason }, 'EVENTS_SIGNING_KEY_FILE has faults; the old version stays');
        return;
      }
      hidden.addSigningKeys(change.after);
      const facts = { audit: true, act: 'signing-keys-changed', keys: change.after.length };
      logger.info(facts, 'EVENTS_SIGNING_KEY_FILE was read again');
    },
  });
}

/** A code, or words of ours, which quote no key. */
export const reasonOf = (error: Error): string => ('code' in error ? String(error.code) : error.message);
