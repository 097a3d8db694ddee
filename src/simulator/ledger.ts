import type { Part, Query } from './call.ts';
import { type Host, type Operation, operations } from './operations.ts';

export interface LedgerEntry {
  readonly id: string;
  /** Wall clock, ms. */
  readonly at: number;
  readonly host: Host;
  readonly method: string;
  /** Without `/wati` and without the query; the control API's paths as they are. */
  readonly path: string;
  readonly query: Query;
  /** As received, but without the key: `authorization` is `ok`, `wrong` or `missing`. */
  readonly headers: Readonly<Record<string, string>>;
  readonly operation: Operation | 'unknown';
  readonly connection?: string;
  /** Parsed JSON, or the text if it is none. */
  body?: unknown;
  parts?: readonly Part[];
  recipients: readonly string[];
  /** The whole request body arrived. */
  complete: boolean;
  /** The tenant acted on it: a message exists, a contact changed, a page was read. */
  processed: boolean;
  /** The answer; absent if there was none. */
  status?: number;
}

export interface Ledger {
  /** Oldest first. */
  readonly entries: readonly LedgerEntry[];
  of(operation: Operation | 'unknown'): readonly LedgerEntry[];
  /** Every sending request that named this recipient, whether the tenant acted on it or not. */
  sendsTo(recipient: string): readonly LedgerEntry[];
  clear(): void;
}

export interface LedgerBook extends Ledger {
  open(entry: Omit<LedgerEntry, 'id'>): LedgerEntry;
  /** The recipients of a bulk call are known only after its body was read. */
  name(entry: LedgerEntry, recipients: readonly string[]): void;
}

/** Bounded, because a long benchmark would fill the memory; no test comes near. The oldest are dropped first. */
const entriesMax = 200_000;

const sending: ReadonlySet<string> = new Set(operations.filter((row) => row.sends).map((row) => row.operation));

export function createLedger(): LedgerBook {
  const entries: LedgerEntry[] = [];
  // Indexed, because a test of a broadcast asks this once per recipient.
  const sends = new Map<string, LedgerEntry[]>();
  let last = 0;

  function dropOldest(): void {
    for (const entry of entries.splice(0, entriesMax / 10)) {
      for (const recipient of entry.recipients) sends.get(recipient)?.shift();
    }
  }

  return {
    entries,
    of: (operation) => entries.filter((entry) => entry.operation === operation),
    sendsTo: (recipient) => [...(sends.get(recipient) ?? [])],
    clear() {
      entries.length = 0;
      sends.clear();
      last = 0;
    },
    open(seed) {
      if (entries.length >= entriesMax) dropOldest();
      last += 1;
      const entry = { id: `req-${last}`, ...seed };
      entries.push(entry);
      return entry;
    },
    name(entry, recipients) {
      const added = [...new Set(recipients)].filter((recipient) => !entry.recipients.includes(recipient));
      entry.recipients = [...entry.recipients, ...added];
      if (!sending.has(entry.operation)) return;
      for (const recipient of added) {
        const list = sends.get(recipient);
        if (list) list.push(entry);
        else sends.set(recipient, [entry]);
      }
    },
  };
}
