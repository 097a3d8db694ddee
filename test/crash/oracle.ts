import type { Simulator } from '../../src/simulator/simulator.ts';
import type { Message, Told, Wish } from './sends.ts';

export interface Judgement {
  /** Every broken promise about a send (docs/reference/delivery.md), in words. */
  faults: string[];
  counts: { wishes: number; recorded: number; processed: number; lost: number; unknown: number; refused: number };
  /** Recipients whose send stayed `unknown`. */
  unknown: Set<string>;
}

/** Compares requests, answers, records and processed sends, once everything has settled. */
export function judge(wishes: readonly Wish[], records: readonly Message[], simulator: Simulator): Judgement {
  const byRecipient = Map.groupBy(records, ({ to }) => to);
  const faults: string[] = [];
  const counts = { wishes: wishes.length, recorded: records.length, processed: 0, lost: 0, unknown: 0, refused: 0 };
  const unknown = new Set<string>();
  for (const wish of wishes) {
    const processed = simulator.ledger.sendsTo(wish.to).filter((entry) => entry.processed).length;
    const found = byRecipient.get(wish.to) ?? [];
    const blame = (what: string) =>
      faults.push(
        `${wish.to} ${what}: processed ${processed}, recorded ${JSON.stringify(found)}, told ${JSON.stringify(wish.told)}`,
      );
    if (processed > 1) blame('was doubled');
    if (found.length > 1) blame('has several records');
    const [record] = found;
    for (const fault of faultsOf(record, processed)) blame(fault);
    for (const told of wish.told) if (!isTrue(told, record, processed)) blame(`heard ${told.status} ${told.outcome}`);
    counts.processed += processed;
    if (wish.told.some(({ status }) => status === undefined)) counts.lost += 1;
    if (wish.told.some(({ problem }) => problem === 'store-unavailable')) counts.refused += 1;
    if (record?.status === 'unknown') unknown.add(wish.to);
  }
  counts.unknown = unknown.size;
  const wished = new Set(wishes.map(({ to }) => to));
  for (const { to } of records) if (!wished.has(to)) faults.push(`${to} was recorded, and nobody wished it`);
  return { faults, counts, unknown };
}

/** Returns the contradictions between a record and the ledger. */
function faultsOf(record: Message | undefined, processed: number): string[] {
  const status = record?.status;
  if (status === undefined) return processed > 0 ? ['was sent without a record'] : [];
  if (status === 'queued' || status === 'sending') return ['never ended'];
  if (status === 'accepted' && processed !== 1) return ['is accepted without having been processed once'];
  if (status !== 'accepted' && status !== 'unknown' && processed > 0) return [`is ${status} and was processed`];
  return [];
}

/** Returns whether an answer was correct, given the final record. */
function isTrue({ status, outcome, problem }: Told, record: Message | undefined, processed: number): boolean {
  if (status === undefined) return true;
  if (status === 201) return record?.status === 'accepted' && processed === 1;
  if (status === 202 && outcome === 'unknown') return record?.status === 'unknown' || record?.status === 'accepted';
  if (status === 202) return record !== undefined;
  if (problem === 'idempotency-in-progress') return record !== undefined;
  if (outcome === 'rejected') return record?.status === 'rejected' && processed === 0;
  // Refused before anything was recorded.
  if (problem === 'rate-limited') return record === undefined && processed === 0;
  if (problem === 'store-unavailable' && outcome === 'not_sent') return record === undefined && processed === 0;
  if (problem === 'store-unavailable' && outcome === 'unknown') return true;
  if (outcome === 'not_sent') return record?.status === 'not_sent' && processed === 0;
  // A preflight or a lookup of the key failed, so nothing was started.
  return status === 503 && record === undefined && processed === 0;
}
