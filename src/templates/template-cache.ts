import { nearest } from '../lib/did-you-mean.ts';
import { defaultRetryDelays } from '../settings/retry-delays.ts';
import { type CallContext, withDeadline } from '../upstream/client.ts';
import { type CacheEntry, isUsable, queueKey } from '../upstream/permits.ts';
import type { Templates, WatiTemplate } from '../upstream/templates.ts';

/** The templates of each connection, cached for a short time. */
export interface TemplateCache {
  /** How long a list is used. */
  readonly ttlMs: number;
  all(context: CallContext): Promise<{ templates: WatiTemplate[]; ageMs: number }>;
  /**
   * Finds a template by name. Reads the list from WATI again before it reports that the template is missing, not approved, or
   * does not fit.
   */
  find(context: CallContext, name: string, wanted?: Wanted): Promise<TemplateMatches>;
  /** Call when WATI refused a template or its parameters: the cached list may be outdated. */
  invalidate(connection: string): void;
}

export interface Wanted {
  /** The language, e.g. `en`, without case. */
  language?: string | undefined;
  /** Whether an approved template is what the caller expects. If not, it may have changed at WATI. */
  fits?: (template: WatiTemplate) => boolean;
  /** Reads the list as fresh as the rate limit allows, for questions that cannot be asked again later. */
  fresh?: true;
}

export interface TemplateMatches {
  /** All its languages, approved ones first; deleted ones only if there is no other. */
  versions: readonly WatiTemplate[];
  /** If there is none: the name of an approved template that differs in a few letters. */
  near: string | undefined;
  /** All languages of the template, whichever was requested. */
  languages: readonly string[];
  /** The age of the list. */
  ageMs: number;
}

interface Listed {
  templates: WatiTemplate[];
  byName: ReadonlyMap<string, readonly WatiTemplate[]>;
}

interface Entry extends CacheEntry {
  list: Promise<Listed>;
  loaded?: Listed;
}

/** The most connections whose templates are cached. */
const connectionsMax = 32;

/**
 * `negativeCacheTtlMs`: how long "unknown" is trusted, so that a caller that keeps naming unknown templates does not use up the
 * rate limit of the others.
 */
export function createTemplateCache(
  upstream: Templates,
  ttlMs: number,
  negativeCacheTtlMs = defaultRetryDelays.templateMissMs,
): TemplateCache {
  const cached = new Map<string, Entry>();

  const load = ({ connection, priority, onAttempt }: CallContext, maxAgeMs: number) => {
    const known = cached.get(connection);
    if (known && isUsable(known, maxAgeMs, priority)) {
      // Moved to the end: the least recently used entry is evicted first.
      cached.delete(connection);
      cached.set(connection, known);
      return known;
    }
    const fresh: CacheEntry = { loadedAt: performance.now(), queue: queueKey(priority), isDispatched: false };
    const onDispatched = () => {
      fresh.isDispatched = true;
    };
    // All concurrent requests share one load, so it has none of their deadlines, and does not end when one of them disconnects.
    const read = upstream.all({
      connection,
      onDispatched,
      ...(priority && { priority }),
      ...(onAttempt && { onAttempt }),
    });
    const list = read.then((templates) => ({
      templates,
      byName: Map.groupBy(templates, ({ elementName }) => elementName),
    }));
    const entry: Entry = Object.assign(fresh, { list });
    cached.delete(connection);
    cached.set(connection, entry);
    const [oldest] = cached.keys();
    if (cached.size > connectionsMax && oldest !== undefined) cached.delete(oldest);
    list.then(
      (listed) => {
        onDispatched();
        entry.loaded = listed;
      },
      () => {
        if (cached.get(connection) === entry) cached.delete(connection);
      },
    );
    return entry;
  };

  const all = async (context: CallContext, maxAgeMs = ttlMs): Promise<Listed & { ageMs: number }> => {
    const entry = load(context, maxAgeMs);
    // Without a timer where there is nothing to wait for, because every send of a template asks.
    const { templates, byName } = entry.loaded ?? (await withDeadline(entry.list, context.deadline));
    return { templates, byName, ageMs: performance.now() - entry.loadedAt };
  };

  const find: TemplateCache['find'] = async (context, name, { language, fits = () => true, fresh } = {}) => {
    const newest = Math.min(ttlMs, negativeCacheTtlMs);
    const known = found(await all(context, fresh ? newest : ttlMs), name, language);
    // "Not approved" may be as outdated as "not found": WATI reviews templates within minutes.
    if (known.versions.some((each) => each.status === 'approved' && fits(each))) return known;
    return found(await all(context, newest), name, language);
  };

  return {
    ttlMs,
    all: async (context) => {
      const { templates, ageMs } = await all(context);
      return { templates, ageMs };
    },
    find,
    invalidate: (connection) => {
      cached.delete(connection);
    },
  };
}

const rank = ({ status }: WatiTemplate) => (status === 'approved' ? 0 : status === 'deleted' ? 2 : 1);

function found(
  { templates, byName, ageMs }: Listed & { ageMs: number },
  name: string,
  language: string | undefined,
): TemplateMatches {
  const named = byName.get(name) ?? [];
  const best = Math.min(...named.map(rank));
  const versions = named
    .filter((each) => language === undefined || each.language?.toLowerCase() === language.toLowerCase())
    .filter((each) => rank(each) < 2 || best === 2)
    .sort((one, other) => rank(one) - rank(other));
  const approved = () => templates.flatMap((each) => (rank(each) === 0 ? [each.elementName] : []));
  const languages = named.flatMap(({ language: own }) => own ?? []);
  return { versions, languages, near: named.length === 0 ? nearest(name, [...new Set(approved())]) : undefined, ageMs };
}
