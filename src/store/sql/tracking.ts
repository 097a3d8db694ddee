import type { StoredDelivery } from '../delivery-facts.ts';
import type {
  DeliveryCounts,
  FoundBy,
  TrackedFacts,
  TrackedSend,
  TrackingBatch,
  TrackingChange,
  TrackingStore,
} from '../tracking-store.ts';
import { conversationStatements } from './conversation-statements.ts';
import { conversationOperations, conversationSteps } from './conversations.ts';
import { retryDeadlocks } from './deadlocks.ts';
import { toDelivery } from './delivery-row.ts';
import type { Dialect, Engine, Row, Step, Value } from './engine.ts';
import { factValues } from './event-row.ts';
import { eventStatements } from './event-statements.ts';
import { doneStep, postponeStep } from './intake.ts';
import { intakeStatements } from './intake-statements.ts';
import { pollOperations } from './polls.ts';
import { bySequence, integer, required, toSqlJson, toSqlText } from './row-mapping.ts';
import { statusOf, toTrackedSend } from './tracking-row.ts';
import { type TrackingStatements, trackingStatements } from './tracking-statements.ts';

/** Implements src/store/tracking-store.ts, in SQL that both databases understand. */
export function createTrackingStore(
  engine: Engine,
  dialect: Dialect,
  now: () => number = () => Date.now(),
): TrackingStore {
  const sql = trackingStatements(dialect);
  return {
    ...lookups(engine, sql),
    ...applying(engine, dialect, { sql, now }),
    ...counting(engine, sql),
    ...conversationOperations(engine, dialect),
    ...pollOperations(engine, dialect, now),
  };
}

function lookups(
  engine: Engine,
  sql: TrackingStatements,
): Pick<TrackingStore, 'findTracked' | 'findByContent' | 'lastSendTo'> {
  return {
    async findTracked(connectionId, ids) {
      if (ids.length === 0) return [];
      const rows = ids.map((each, place) => ({
        place,
        local: toSqlText(each.localMessageId),
        whatsapp: toSqlText(each.whatsappMessageId),
        wati: toSqlText(each.watiId),
      }));
      const values = { rows: JSON.stringify(rows), connection: connectionId };
      const found = await engine.webhooks.read({ statement: sql.find, values });
      return ids.map((_, place) => surest(found.filter((row) => integer(row, 'place') === place)));
    },

    async findByContent(connectionId, { recipient, template }, { from, until }) {
      const values = {
        connection: connectionId,
        recipient: toSqlText(recipient),
        template: toSqlText(template),
        since: from,
        until,
      };
      return (await engine.read({ statement: sql.findByContent, values })).map(toTrackedSend);
    },

    async lastSendTo(connectionId, recipients, { since, until = Number.MAX_SAFE_INTEGER, caller, kinds }) {
      const found: Row[] = [];
      for (const recipient of recipients) {
        const values = {
          connection: connectionId,
          recipient: toSqlText(recipient),
          since,
          until,
          every: kinds === undefined ? 1 : 0,
          rows: JSON.stringify((kinds ?? []).map((kind) => ({ kind }))),
        };
        const step =
          caller === undefined
            ? { statement: sql.lastSend, values }
            : { statement: sql.lastSendOf, values: { ...values, caller } };
        found.push(...(await engine.read(step)));
      }
      const last = found.toSorted((a, b) => integer(b, 'sent_at') - integer(a, 'sent_at'))[0];
      return (
        last && {
          seq: integer(last, 'seq'),
          id: required(last, 'id'),
          caller: required(last, 'caller'),
          to: required(last, 'recipient'),
          sentAt: integer(last, 'sent_at'),
        }
      );
    },
  };
}

function applying(
  engine: Engine,
  dialect: Dialect,
  { sql, now }: { sql: TrackingStatements; now: () => number },
): Pick<TrackingStore, 'applyTracking'> {
  const intake = intakeStatements(dialect);
  const conversations = conversationStatements(dialect);

  const { addFacts } = eventStatements(dialect);

  const messageSteps = (messages: readonly TrackedFacts[], wall: number): Step[] => {
    if (messages.length === 0) return [];
    const values: Record<string, Value> = { rows: JSON.stringify(messages.map(factsValues)), wall };
    return [sql.readBefore, sql.recordProof, sql.createDelivery, sql.joinFacts].map((statement) => ({
      statement,
      values,
    }));
  };

  /** Locks all messages of the batch in one statement, in order of `seq`, to prevent deadlocks. */
  const lockStep = (seqs: readonly number[]): Step => ({
    statement: sql.lockMessages,
    values: { rows: JSON.stringify([...new Set(seqs)].map((seq) => ({ seq }))) },
  });

  return {
    async applyTracking({ messages, conversations: conversationFacts, done, postponed, facts = [] }: TrackingBatch) {
      const wall = now();
      const about = facts.flatMap(({ sendSeq }) => (sendSeq === undefined ? [] : sendSeq));
      const seqs = [...messages.map(({ seq }) => seq), ...about];
      const steps = [
        ...(seqs.length > 0 ? [lockStep(seqs)] : []),
        ...messageSteps(messages, wall),
        ...conversationSteps(conversations, conversationFacts),
        ...(done.length > 0 ? [doneStep(intake, done)] : []),
        ...(postponed.length > 0 ? [postponeStep(intake, postponed)] : []),
        ...(facts.length > 0 ? [{ statement: addFacts, values: { rows: JSON.stringify(facts.map(factValues)) } }] : []),
      ];
      if (steps.length === 0) return [];
      const answers = await retryDeadlocks(() => engine.webhooks.write(steps));
      if (messages.length === 0) return [];
      const [, before = [], proved = [], created = [], joined = []] = answers;
      return changesOf(messages, { before, proved, after: [...created, ...joined] });
    },
  };
}

function counting(engine: Engine, sql: TrackingStatements): Pick<TrackingStore, 'deliveryCounts'> {
  return {
    async deliveryCounts(broadcastId) {
      const counts: DeliveryCounts = { sent: 0, failed: 0, delivered: 0, read: 0, replied: 0 };
      for (const row of await engine.read({ statement: sql.counts, values: { id: broadcastId } })) {
        const status = required(row, 'status');
        if (isCounted(status, counts)) counts[status] = integer(row, 'n');
      }
      return counts;
    },
  };
}

const isCounted = (status: string, counts: DeliveryCounts): status is keyof DeliveryCounts =>
  Object.hasOwn(counts, status);

const SUREST: readonly FoundBy[] = ['local-id', 'whatsapp-id', 'wati-id'];

/** Looks by our id first, then by the others; if several messages have the same id, the first one counts. */
function surest(rows: readonly Row[]): TrackedSend | undefined {
  for (const foundBy of SUREST) {
    const [first] = rows.filter((row) => row.found_by === foundBy).toSorted(bySequence);
    if (first !== undefined) return toTrackedSend(first);
  }
  return undefined;
}

function factsValues({ seq, facts, proof, outcome }: TrackedFacts): Record<string, Value> {
  return {
    seq,
    by_id: proof === 'id' ? 1 : 0,
    verdict: toSqlJson(outcome),
    whatsapp_id: toSqlText(facts.whatsappMessageId),
    rank: facts.rank,
    sent: facts.sentAt ?? null,
    failed: facts.failedAt ?? null,
    delivered: facts.deliveredAt ?? null,
    read: facts.readAt ?? null,
    replied: facts.repliedAt ?? null,
    code: toSqlText(facts.failure?.code),
    detail: toSqlText(facts.failure?.detail),
    wati_id: toSqlText(facts.watiId),
    source: facts.source,
  };
}

/** The message before the batch, what the batch proved, and the message after it, if anything changed. */
interface Written {
  before: readonly Row[];
  proved: readonly Row[];
  after: readonly Row[];
}

function changesOf(messages: readonly TrackedFacts[], { before, proved, after }: Written): TrackingChange[] {
  const rowsBefore = new Map(before.map((row) => [integer(row, 'seq'), row]));
  const resolved = new Map(proved.map((row) => [integer(row, 'seq'), row.status]));
  const deliveriesAfter = new Map<number, StoredDelivery | undefined>(
    after.map((row) => [integer(row, 'send_seq'), toDelivery(row)]),
  );
  return messages.flatMap(({ seq }) => {
    const row = rowsBefore.get(seq);
    if (row === undefined) return [];
    const delivery = toDelivery(row);
    const becomes = deliveriesAfter.get(seq) ?? delivery;
    const status = statusOf(row);
    const isResolved = resolved.get(seq) === 'accepted' && status !== 'accepted';
    return [
      {
        seq,
        ...(delivery && { before: delivery }),
        ...(becomes && { after: becomes }),
        ...(isResolved && { resolved: status }),
      },
    ];
  });
}
