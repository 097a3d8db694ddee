import type { BroadcastStore, ReportedRecipient } from '../store/broadcast-store.ts';
import { deliveryStatus } from '../tracking/delivery-state.ts';
import { failureKind } from '../tracking/failure-kind.ts';

type ReportedField = (recipient: ReportedRecipient) => string | undefined;

const isoTime = (ms: number | undefined) => (ms === undefined ? undefined : new Date(ms).toISOString());

/** The columns in order. Columns that an import has too have the same names there. */
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

/** Returns why the message was not sent, or did not arrive. */
const failureOf = ({ failure, delivery }: ReportedRecipient) => delivery?.failure ?? failure;

/** Rows per page. Parsing and formatting a page blocks the event loop, for up to nine milliseconds with two readers. */
const pageRows = 250;

interface ReportSource {
  store: Pick<BroadcastStore, 'listRecipients'>;
  id: string;
  /** Called before each page: whether the client may still read the report. */
  mayRead: () => boolean;
  /** Maps each recipient to what the client may see; identity by default. */
  shown?: (recipient: ReportedRecipient) => ReportedRecipient;
}

/** Yields a broadcast as CSV, a row for each recipient. Reads the next page when the client has taken the previous one. */
export async function* recipientsReport({
  store,
  id,
  mayRead,
  shown = (recipient) => recipient,
}: ReportSource): AsyncGenerator<string> {
  yield rowOf(columns.map(([name]) => name));
  for (let after: number | undefined = 0; after !== undefined; ) {
    // Aborts the body, so that the client notices that it is incomplete.
    if (!mayRead()) throw new Error('the caller may not read the report any more');
    const page: Awaited<ReturnType<typeof store.listRecipients>> = await store.listRecipients(id, {
      after,
      limit: pageRows,
    });
    yield page.recipients
      .map(shown)
      .map((recipient) => rowOf(columns.map(([, field]) => field(recipient) ?? '')))
      .join('');
    after = page.next;
    await nextTurn();
  }
}

/** Formats a row by RFC 4180. */
const rowOf = (cells: readonly string[]): string => `${cells.map(cellOf).join(',')}\r\n`;

/** Spreadsheets read a cell that begins with one of these as a formula, unless an apostrophe precedes it. */
const beginsFormula = /^[=+\-@\t\r]/;

function cellOf(text: string): string {
  const safe = beginsFormula.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** Yields to other requests between pages, because SQLite in memory answers without waiting. */
const nextTurn = () => new Promise<void>((resume) => setImmediate(resume));
