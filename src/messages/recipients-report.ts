import type { BroadcastStore, ReportedRecipient } from '../store/broadcast-store.ts';
import { deliveryStatus } from '../tracking/delivery-state.ts';
import { failureKind } from '../tracking/failure-kind.ts';

type ReportedField = (recipient: ReportedRecipient) => string | undefined;

const isoTime = (ms: number | undefined) => (ms === undefined ? undefined : new Date(ms).toISOString());

/** The columns in their order. Those of the import have the same names. */
const columns: readonly (readonly [string, ReportedField])[] = [
  ['Phone', ({ to }) => to],
  ['Reference', ({ reference }) => reference],
  ['Status', ({ status }) => status],
  ['Delivery', ({ delivery }) => delivery && deliveryStatus(delivery.rank)],
  ['FailureCode', (recipient) => failureOf(recipient)?.code],
  ['FailureKind', ({ delivery }) => delivery?.failure && failureKind(delivery.failure.code)],
  ['FailureDetail', (recipient) => failureOf(recipient)?.detail],
  ['MessageId', ({ id }) => id],
  ['ResendOf', ({ resendOf }) => resendOf],
  ['CalledAt', ({ sentAt }) => sentAt],
  ['SentAt', ({ delivery }) => isoTime(delivery?.sentAt)],
  ['DeliveredAt', ({ delivery }) => isoTime(delivery?.deliveredAt)],
  ['ReadAt', ({ delivery }) => isoTime(delivery?.readAt)],
  ['RepliedAt', ({ delivery }) => isoTime(delivery?.repliedAt)],
  ['FailedAt', ({ delivery }) => isoTime(delivery?.failedAt)],
  ['UpdatedAt', ({ updatedAt }) => updatedAt],
];

/** Why it was not sent, or did not arrive. */
const failureOf = ({ failure, delivery }: ReportedRecipient) => delivery?.failure ?? failure;

/** Rows that are read and written at once: reading them holds SQLite's thread for some milliseconds. */
const pageRows = 500;

interface ReportSource {
  store: Pick<BroadcastStore, 'listRecipients'>;
  id: string;
  /** Asked before each page: whether the reader may still read it. */
  mayRead: () => boolean;
}

/** A broadcast as CSV, a row for each recipient, page by page: the next one is read when the reader has taken the one before. */
export async function* recipientsReport({ store, id, mayRead }: ReportSource): AsyncGenerator<string> {
  yield rowOf(columns.map(([name]) => name));
  for (let after: number | undefined = 0; after !== undefined; ) {
    // A body that breaks off tells the reader that it is not complete.
    if (!mayRead()) throw new Error('the caller may not read the report any more');
    const page: Awaited<ReturnType<typeof store.listRecipients>> = await store.listRecipients(id, {
      after,
      limit: pageRows,
    });
    yield page.recipients.map((recipient) => rowOf(columns.map(([, field]) => field(recipient) ?? ''))).join('');
    after = page.next;
    await nextTurn();
  }
}

/** RFC 4180. */
const rowOf = (cells: readonly string[]): string => `${cells.map(cellOf).join(',')}\r\n`;

/** A spreadsheet takes a cell that begins like this for a formula; behind an apostrophe it is a text. */
const beginsFormula = /^[=+\-@\t\r]/;

function cellOf(text: string): string {
  const safe = beginsFormula.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** Lets other requests in between pages: SQLite answers a page without waiting. */
const nextTurn = () => new Promise<void>((resume) => setImmediate(resume));
