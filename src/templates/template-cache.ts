import { nearest } from '../did-you-mean.ts';
import { usualPauses } from '../pauses.ts';
import { type CallContext, inTime } from '../upstream/client.ts';
import { type Load, serves, whoOf } from '../upstream/pace.ts';
import type { Templates, WatiTemplate } from '../upstream/templates.ts';

/** The templates of each connection, trusted for a short time. */
export interface TemplateCache {
  /** How long a list is trusted. */
  readonly ttlMs: number;
  all(context: CallContext): Promise<{ templates: WatiTemplate[]; ageMs: number }>;
  /** By name. Asks WATI again before it says that there is none, that it is not approved, or that it does not fit. */
  look(context: CallContext, name: string, wanted?: Wanted): Promise<Found>;
  /** WATI refused the parameters: what is cached may be old. */
  distrust(connection: string): void;
}

export interface Wanted {
  /** Its key, e.g. `en`, without case. */
  language?: string | undefined;
  /** Whether an approved template is what its caller takes it for; one that is not may have changed in WATI. */
  fits?: (template: WatiTemplate) => boolean;
  /** What is asked cannot be asked again later: from a list as new as there may be. */
  fresh?: true;
}

export interface Found {
  /** In every language it has, the approved ones first; deleted ones only where there is no other. */
  versions: readonly WatiTemplate[];
  /** Where there is none: the name of an approved one that differs in a few letters. */
  near: string | undefined;
  /** In which languages it is there, whatever was asked for. */
  languages: readonly string[];
  /** Of the list in which they stand. */
  ageMs: number;
}

/** Connections whose templates are kept at once. */
const connectionsMax = 32;

/** `missPauseMs`: a caller who keeps naming templates that do not exist must not spend the budget of the others. */
export function createTemplateCache(
  upstream: Templates,
  ttlMs: number,
  missPauseMs = usualPauses.templateMissMs,
): TemplateCache {
  const cached = new Map<string, Load & { list: Promise<WatiTemplate[]> }>();

  const load = ({ connection, turn, onAttempt }: CallContext, maxAgeMs: number) => {
    const known = cached.get(connection);
    if (known && serves(known, maxAgeMs, turn)) {
      // Behind the others: who has been asked for least lately goes first.
      cached.delete(connection);
      cached.set(connection, known);
      return known;
    }
    const fresh: Load = { at: performance.now(), who: whoOf(turn), begun: false };
    const onTurn = () => {
      fresh.begun = true;
    };
    // One load is shared by all who ask meanwhile: it takes nobody's own deadline, and ends with nobody's leaving.
    const list = upstream.all({ connection, onTurn, ...(turn && { turn }), ...(onAttempt && { onAttempt }) });
    const entry = Object.assign(fresh, { list });
    cached.delete(connection);
    cached.set(connection, entry);
    const [oldest] = cached.keys();
    if (cached.size > connectionsMax && oldest !== undefined) cached.delete(oldest);
    list.then(onTurn, () => {
      if (cached.get(connection) === entry) cached.delete(connection);
    });
    return entry;
  };

  const all = async (context: CallContext, maxAgeMs = ttlMs) => {
    const entry = load(context, maxAgeMs);
    return { templates: await inTime(entry.list, context.untilMs), ageMs: performance.now() - entry.at };
  };

  const look: TemplateCache['look'] = async (context, name, { language, fits = () => true, fresh } = {}) => {
    const newest = Math.min(ttlMs, missPauseMs);
    const known = found(await all(context, fresh ? newest : ttlMs), name, language);
    // "Not approved" may be as old as "not there": WATI reviews templates within minutes, and people change them.
    if (known.versions.some((each) => each.status === 'approved' && fits(each))) return known;
    return found(await all(context, newest), name, language);
  };

  return {
    ttlMs,
    all: (context) => all(context),
    look,
    distrust: (connection) => {
      cached.delete(connection);
    },
  };
}

function found(
  { templates, ageMs }: { templates: readonly WatiTemplate[]; ageMs: number },
  name: string,
  language: string | undefined,
): Found {
  const named = templates.filter(({ elementName }) => elementName === name);
  const rank = ({ status }: WatiTemplate) => (status === 'approved' ? 0 : status === 'deleted' ? 2 : 1);
  const best = Math.min(...named.map(rank));
  const versions = named
    .filter((each) => language === undefined || each.language?.toLowerCase() === language.toLowerCase())
    .filter((each) => rank(each) < 2 || best === 2)
    .sort((one, other) => rank(one) - rank(other));
  const approved = () => templates.flatMap((each) => (rank(each) === 0 ? [each.elementName] : []));
  const languages = named.flatMap(({ language: own }) => own ?? []);
  return { versions, languages, near: named.length === 0 ? nearest(name, [...new Set(approved())]) : undefined, ageMs };
}
