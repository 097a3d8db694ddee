import { type CallContext, inTime } from '../upstream/client.ts';
import { type Load, serves, whoOf } from '../upstream/pace.ts';
import type { Templates, WatiTemplate } from '../upstream/templates.ts';

/** The templates of each connection, trusted for a short time. */
export interface TemplateCache {
  /** How long a list is trusted. */
  readonly ttlMs: number;
  all(context: CallContext): Promise<{ templates: WatiTemplate[]; ageMs: number }>;
  /** By name, the approved one first where several languages share it. Asks WATI again before it says there is none. */
  find(context: CallContext, name: string): Promise<WatiTemplate | undefined>;
  /** The same, with the age of the list in which it stands. */
  look(context: CallContext, name: string): Promise<{ template: WatiTemplate | undefined; ageMs: number }>;
  /** WATI refused the parameters: what is cached may be old. */
  distrust(connection: string): void;
}

/** Connections whose templates are kept at once. */
const connectionsMax = 32;

/** A caller who keeps naming templates that do not exist must not spend the budget of the others. */
const missPauseMs = 1_000;

export function createTemplateCache(upstream: Templates, ttlMs: number): TemplateCache {
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

  const pick = (templates: WatiTemplate[], name: string) => {
    const named = templates.filter((template) => template.elementName === name);
    return named.find((template) => template.status === 'approved') ?? named[0];
  };

  const all = async (context: CallContext, maxAgeMs = ttlMs) => {
    const entry = load(context, maxAgeMs);
    return { templates: await inTime(entry.list, context.untilMs), ageMs: performance.now() - entry.at };
  };

  const look: TemplateCache['look'] = async (context, name) => {
    const known = await all(context);
    const found = pick(known.templates, name);
    // "Not approved" may be as old as "not there": WATI reviews templates within minutes.
    if (found?.status === 'approved') return { template: found, ageMs: known.ageMs };
    const { templates, ageMs } = await all(context, Math.min(ttlMs, missPauseMs));
    return { template: pick(templates, name), ageMs };
  };

  return {
    ttlMs,
    all: (context) => all(context),
    look,
    find: async (context, name) => (await look(context, name)).template,
    distrust: (connection) => {
      cached.delete(connection);
    },
  };
}
