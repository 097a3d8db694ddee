import type { CallContext } from '../upstream/client.ts';
import type { Templates, WatiTemplate } from '../upstream/templates.ts';

/** The templates of each connection, trusted for a short time. */
export interface TemplateCache {
  all(context: CallContext): Promise<{ templates: WatiTemplate[]; ageMs: number }>;
  /** By name, the approved one first where several languages share it. Asks WATI again before it says there is none. */
  find(context: CallContext, name: string): Promise<WatiTemplate | undefined>;
  /** WATI refused the parameters: what is cached may be old. */
  distrust(connection: string): void;
}

/** A caller who keeps naming templates that do not exist must not spend the budget of the others. */
const missPauseMs = 1_000;

export function createTemplateCache(upstream: Templates, ttlMs: number): TemplateCache {
  const cached = new Map<string, { at: number; list: Promise<WatiTemplate[]> }>();

  const load = (context: CallContext, maxAgeMs: number) => {
    const known = cached.get(context.connection);
    if (known && performance.now() - known.at <= maxAgeMs) return known;
    // One load is shared by all who ask meanwhile, so it takes nobody's own deadline.
    const { onAttempt } = context;
    const list = upstream.all({ connection: context.connection, ...(onAttempt && { onAttempt }) });
    const entry = { at: performance.now(), list };
    cached.set(context.connection, entry);
    list.catch(() => {
      if (cached.get(context.connection) === entry) cached.delete(context.connection);
    });
    return entry;
  };

  const pick = (templates: WatiTemplate[], name: string) => {
    const named = templates.filter((template) => template.elementName === name);
    return named.find((template) => template.status === 'approved') ?? named[0];
  };

  return {
    all: async (context) => {
      const entry = load(context, ttlMs);
      return { templates: await entry.list, ageMs: performance.now() - entry.at };
    },
    find: async (context, name) => {
      const found = pick(await load(context, ttlMs).list, name);
      // "Not approved" may be as old as "not there": WATI reviews templates within minutes.
      if (found?.status === 'approved') return found;
      return pick(await load(context, Math.min(ttlMs, missPauseMs)).list, name);
    },
    distrust: (connection) => {
      cached.delete(connection);
    },
  };
}
