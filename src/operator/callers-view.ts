import type { Callers } from '../callers.ts';
import type { Hold, StoppedSending } from '../holds/holds.ts';
import { isoTimes } from '../lib/iso-times.ts';
import { limitConcurrency } from '../lib/limit-concurrency.ts';
import type { OperatorCaller } from '../schemas/operator.ts';
import type { CallerCountStore } from '../store/caller-count-store.ts';
import type { OperatorStore } from '../store/operator-store.ts';
import type { QuotaLimits } from '../store/quota-store.ts';
import { throwStoreUnreadable } from '../store/store-problems.ts';
import type { StoredEndpoint, WebhookEndpointStore } from '../store/webhook-endpoint-store.ts';
import { type CallerCounts, noCounts } from './caller-counts.ts';

/** The callers as operators see them: those of the file, and removed ones with records left. */
export interface CallersView {
  /** In the order of the file, removed ones last. */
  all(): Promise<OperatorCaller[]>;
  /** The same, each with its webhook endpoints, today's counts, and its remaining quotas. */
  inFull(): Promise<OperatorCaller[]>;
  /** Ids of all callers that are in the file or have records. */
  ids(): Promise<string[]>;
  /** The id of the caller with this id or name, without case; undefined: there is none, and no record of one. */
  resolve(names: readonly string[]): Promise<(string | undefined)[]>;
}

interface Services {
  callers: Callers;
  stopped: StoppedSending;
  store: Pick<OperatorStore, 'listCallers' | 'summarizeWork'> &
    Pick<WebhookEndpointStore, 'listEndpoints'> &
    Pick<CallerCountStore, 'quotasLeft'>;
  counts: Pick<CallerCounts, 'today'>;
  /** Wall clock, ms. */
  now: () => number;
}

const dayMs = 24 * 3_600_000;
/** Callers whose endpoints are read at once. */
const readsMax = 4;

export function createCallersView({ callers, stopped, store, counts, now }: Services): CallersView {
  const inFile = () => callers.list().map(({ caller }) => caller.id);
  const ids = async () => [...new Set([...inFile(), ...(await store.listCallers().catch(throwStoreUnreadable))])];

  const holdOf = (id: string): Hold | undefined => {
    const hold = stopped.reasonFor({ caller: id });
    if (hold || callers.byId(id)) return hold;
    return { code: 'caller-removed', detail: 'the caller is not in the callers file any more' };
  };

  const all = async (): Promise<OperatorCaller[]> => {
    const work = await store.summarizeWork(await ids()).catch(throwStoreUnreadable);
    const byId = new Map(work.map((each) => [each.caller, each]));
    const seen = (id: string) => {
      const { queued = 0, sending = 0, lastRecordedAt } = byId.get(id) ?? {};
      const hold = holdOf(id);
      return { id, queued, sending, ...(lastRecordedAt !== undefined && { lastRecordedAt }), ...(hold && { hold }) };
    };
    const listed = callers.list().map(({ caller: { id, name, scopes, connections }, keyIds }) => ({
      ...seen(id),
      name,
      inFile: true,
      scopes: [...scopes],
      connections: [...connections],
      keyIds: [...keyIds],
    }));
    const removed = work
      .filter(({ caller, queued, sending }) => !callers.byId(caller) && queued + sending > 0)
      .map(({ caller }) => ({ ...seen(caller), inFile: false, scopes: [], connections: [], keyIds: [] }))
      .toSorted((a, b) => b.queued - a.queued);
    return [...listed, ...removed];
  };
  const inTurn = limitConcurrency(readsMax);
  const endpointsOf = (id: string) => inTurn(() => store.listEndpoints(id)).catch(throwStoreUnreadable);

  return {
    ids,
    all,
    inFull: async () => {
      const [seen, today, quotas] = await Promise.all([
        all(),
        counts.today(),
        store.quotasLeft(limitsOf(callers)),
      ]).catch(throwStoreUnreadable);
      const since = new Date(Math.floor(now() / dayMs) * dayMs).toISOString();
      return Promise.all(
        seen.map(async (caller) => {
          const quotaLeft = quotas.get(caller.id);
          return {
            ...caller,
            endpoints: (await endpointsOf(caller.id)).map((endpoint) => toShown(endpoint, now())),
            today: { since, ...(today.get(caller.id) ?? noCounts) },
            ...(quotaLeft && { quotaLeft }),
          };
        }),
      );
    },
    resolve: async (names) => {
      const known = callers.list().map(({ caller }) => caller);
      const found = names.map((named) => {
        const lower = named.toLowerCase();
        return known.find(({ id }) => id === named) ?? known.find(({ name }) => name.toLowerCase() === lower);
      });
      const recorded = found.includes(undefined) ? await store.listCallers().catch(throwStoreUnreadable) : [];
      return names.map((named, at) => found[at]?.id ?? recorded.find((id) => id === named));
    },
  };
}

/** Returns the quotas of all callers that have one. */
function limitsOf(callers: Callers): Map<string, QuotaLimits> {
  const limits = callers.list().map(({ caller: { id, messagesPerHour: perHour, messagesPerDay: perDay } }) => {
    return [id, { ...(perHour !== undefined && { perHour }), ...(perDay !== undefined && { perDay }) }] as const;
  });
  return new Map(limits.filter(([, each]) => Object.keys(each).length > 0));
}

function toShown(endpoint: StoredEndpoint, nowMs: number) {
  const { id, url, status, reason, failingSince, lastSuccessAt, secretVersion, previousSecretUntil = 0 } = endpoint;
  return {
    id,
    host: URL.parse(url)?.host ?? '',
    status,
    ...(reason !== undefined && { reason }),
    secretVersion,
    ...isoTimes({
      failingSince,
      lastSuccessAt,
      previousSecretUntil: previousSecretUntil > nowMs ? previousSecretUntil : undefined,
    }),
  };
}
