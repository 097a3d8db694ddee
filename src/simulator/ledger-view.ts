import { one } from './call.ts';
import type { LedgerEntry } from './ledger.ts';
import { type Operation, operations } from './operations.ts';
import { ButtonsBody, ListBody } from './schemas/messages.ts';
import { BulkBody } from './schemas/templates.ts';
import type { Tenant } from './state.ts';

/** The intended effect of a request on one recipient, in words that a test can compare. */
export interface LedgerMessage {
  readonly to: string;
  /** The tenant acted on it. A bulk call may contain some recipients that it accepted, and some that it refused. */
  readonly processed: boolean;
  readonly text?: string;
  readonly template?: string;
  readonly parameters?: Readonly<Record<string, string>>;
  /** The name of a file, or its address. */
  readonly file?: string;
  readonly caption?: string;
}

const names = ['recipient', 'operation', 'path', 'processed', 'since'] as const;

type Questions = Partial<Record<(typeof names)[number], string>>;

export const ledgerParameters: Readonly<Record<(typeof names)[number], string>> = {
  recipient: 'digits, or another id of a contact',
  operation: "WATI's name of it, such as sendTemplateMessagesV2",
  path: 'what the path begins with, such as /api/v1/sendSessionMessage',
  processed: 'true or false: whether the simulated WATI acted on it; with recipient, on what was for that one',
  since: 'an ISO 8601 time: received then or later',
};

/** The entries that match the query, oldest first; a string says what is wrong with it. */
export function ledgerView(entries: readonly LedgerEntry[], query: URLSearchParams, tenant: Tenant) {
  const asked = questionsOf(query);
  if (typeof asked === 'string') return asked;
  const since = asked.since === undefined ? undefined : Date.parse(asked.since);
  return entries.flatMap((entry) => {
    const { recipient, operation, path, processed } = asked;
    if (recipient !== undefined && !entry.recipients.includes(recipient)) return [];
    if (operation !== undefined && entry.operation !== operation) return [];
    if (path !== undefined && !entry.path.startsWith(path)) return [];
    if (since !== undefined && entry.at < since) return [];
    const messages = messagesOf(entry, tenant).filter(({ to }) => recipient === undefined || to === recipient);
    const acted = recipient !== undefined && messages.length > 0 ? messages.some(isProcessed) : entry.processed;
    if (processed !== undefined && String(acted) !== processed) return [];
    const { at, ...rest } = entry;
    return [{ ...rest, at: new Date(at).toISOString(), messages }];
  });
}

const isProcessed = ({ processed }: LedgerMessage) => processed;

function questionsOf(query: URLSearchParams): Questions | string {
  const asked: Questions = {};
  for (const [name, value] of query) {
    const known = names.find((each) => each === name);
    if (known === undefined) return `There is no query parameter ${name}; there are ${names.join(', ')}`;
    if (asked[known] !== undefined) return `${name} is given twice`;
    // An unencoded plus sign of a number arrives as a space.
    asked[known] = known === 'recipient' ? value.replace(/^[+ ]/, '') : value;
  }
  const { operation, processed, since } = asked;
  if (processed !== undefined && !/^(true|false)$/.test(processed)) return 'processed must be true or false';
  if (since !== undefined && !/^\d{4}-\d\d-\d\d(T.*)?$/.test(since)) return 'since must be an ISO 8601 time';
  if (since !== undefined && Number.isNaN(Date.parse(since))) return 'since must be an ISO 8601 time';
  if (operation !== undefined && !operationNames.has(operation)) {
    return `There is no operation ${operation}; there are ${[...operationNames].join(', ')}`;
  }
  return asked;
}

const operationNames: ReadonlySet<string> = new Set(['unknown', ...operations.map((row) => row.operation)]);
const sending: ReadonlySet<Operation | 'unknown'> = new Set(
  operations.flatMap((row) => (row.sends ? [row.operation] : [])),
);

function messagesOf(entry: LedgerEntry, tenant: Tenant): readonly LedgerMessage[] {
  const { operation, body, query, processed } = entry;
  if (!sending.has(operation)) return [];
  if (BulkBody.Check(body)) {
    return body.receivers.map(({ whatsappNumber, customParams, localMessageId }) => ({
      to: whatsappNumber,
      processed: localMessageId === undefined ? processed : tenant.byLocalId.has(localMessageId),
      template: body.template_name,
      parameters: Object.fromEntries(customParams.map(({ name, value }) => [name, value])),
    }));
  }
  const content = contentOf(entry);
  const template = one(query, 'template_name');
  return entry.recipients.map((to) => ({ to, processed, ...(template === undefined ? content : { template }) }));
}

function contentOf({ body, query, parts }: LedgerEntry): Omit<LedgerMessage, 'to' | 'processed'> {
  const text = ButtonsBody.Check(body) || ListBody.Check(body) ? body.body : one(query, 'messageText');
  const file = parts?.[0]?.filename ?? one(query, 'fileUrl');
  const caption = one(query, 'caption');
  return {
    ...(text === undefined ? {} : { text }),
    ...(file === undefined ? {} : { file }),
    ...(caption === undefined ? {} : { caption }),
  };
}
