import { nameOf, type Shown, type ShownButton, type ShownFile } from './shown.ts';
import { shownTemplate } from './shown-template.ts';
import type { Contact, HistoryRow, Tenant } from './state.ts';
import type { Tracking } from './tracking.ts';

type Sender = 'company' | 'customer';

/** A message as the customer's phone shows it. */
export interface PhoneMessage extends Omit<Shown, 'buttons'> {
  /** The id of its history row, which `replyTo` of an answer takes. */
  readonly id: string;
  readonly at: string;
  readonly from: Sender;
  readonly text: string | null;
  readonly template?: string;
  readonly buttons?: readonly PhoneButton[];
  readonly quotes?: { readonly id: string; readonly from: Sender; readonly text: string };
  /** The customer's answer was a tap on a button or a row of a list. */
  readonly tapped?: true;
  readonly state: 'sent' | 'delivered' | 'read' | 'failed';
  readonly failure?: { readonly code: string; readonly detail: string };
}

/** The phone of one customer. */
export interface PhoneView {
  readonly phone: string;
  readonly name: string;
  readonly bsuid?: string;
  /** How far the clock has been moved forward. */
  readonly advancedSeconds: number;
  /** The 24 hours after the customer's last message; absent if the customer never wrote. */
  readonly window?: { readonly isOpen: boolean; readonly endsAt: string };
  /** Number of messages before those shown. */
  readonly earlier: number;
  readonly data: readonly PhoneMessage[];
}

interface PhoneButton extends ShownButton {
  readonly tapped?: true;
}

/** Returns the newest messages of one customer, oldest first, and the number of earlier ones. */
export function conversationOf(
  { tenant, tracking }: { tenant: Tenant; tracking: Tracking },
  contact: Contact,
  limit: number,
): Pick<PhoneView, 'earlier' | 'data'> {
  const rows = (tenant.history.get(contact.phone) ?? []).filter(isMessage);
  const shown = rows.slice(-limit);
  const byWamid = new Map(rows.map((row) => [row.whatsappMessageId ?? row.id, row]));
  const taps = new Set(rows.map((row) => tapKey(row.replyContextId, tapOf(row))));
  return {
    earlier: rows.length - shown.length,
    data: shown.map((row) => phoneMessage(row, { tracking, byWamid, taps })),
  };
}

/** Customers with a conversation, most recent first. */
export interface PhoneList {
  readonly total: number;
  readonly data: readonly {
    readonly phone: string;
    readonly name: string;
    readonly last: { readonly at: string; readonly from: Sender; readonly text: string };
  }[];
}

export function phonesOf(tenant: Tenant, { search, limit }: { search: string; limit: number }): PhoneList {
  const wanted = search.toLowerCase();
  const found = [...tenant.history].flatMap(([phone, rows]) => {
    const name = tenant.contacts.get(phone)?.name ?? phone;
    const last = phone.includes(wanted) || name.toLowerCase().includes(wanted) ? rows.findLast(isMessage) : undefined;
    return last ? [{ phone, name, last }] : [];
  });
  // Reversed first, so that the later one of two conversations with the same time comes first.
  const newest = found.toReversed().toSorted((one, other) => compare(other.last.created, one.last.created));
  return {
    total: found.length,
    data: newest.slice(0, limit).map(({ last, ...who }) => ({
      ...who,
      last: { at: last.created, from: sender(last), text: excerpt(last) },
    })),
  };
}

const compare = (one: string, other: string) => Number(one > other) - Number(one < other);

/** False for tickets, which are rows of the history too, but not visible to customers. */
const isMessage = ({ eventType }: HistoryRow) => eventType === 'message' || eventType === 'broadcastMessage';
const sender = ({ owner }: HistoryRow): Sender => (owner === false ? 'customer' : 'company');

interface Around {
  readonly tracking: Tracking;
  readonly byWamid: ReadonlyMap<string, HistoryRow>;
  /** Pairs of message and tapped button. */
  readonly taps: ReadonlySet<string>;
}

function phoneMessage(row: HistoryRow, { tracking, byWamid, taps }: Around): PhoneMessage {
  const sent = tracking.messageOf(row);
  const { buttons, ...shown } = sent?.template
    ? shownTemplate(sent.template, sent.values ?? new Map())
    : (sent?.shown ?? shownFile(row));
  const quoted = byWamid.get(typeof row.replyContextId === 'string' ? row.replyContextId : '');
  const tap = tapOf(row);
  const isTapped = ({ text }: ShownButton) => taps.has(tapKey(row.whatsappMessageId, text));
  return {
    id: row.id,
    at: row.created,
    from: sender(row),
    ...(sent?.template && { template: sent.template.elementName }),
    ...shown,
    text: shown.file?.kind === 'document' && !sent ? null : (wordsOf(row) ?? null),
    ...(buttons && { buttons: buttons.map((each) => (isTapped(each) ? { ...each, tapped: true } : each)) }),
    ...(quoted && { quotes: { id: quoted.id, from: sender(quoted), text: excerpt(quoted) } }),
    ...(tap !== undefined && { tapped: true }),
    ...stateOf(row),
  };
}

const states: Readonly<Record<string, PhoneMessage['state']>> = {
  DELIVERED: 'delivered',
  READ: 'read',
  REPLIED: 'read',
  FAILED: 'failed',
};

function stateOf({ statusString, failedCode, failedDetail }: HistoryRow): Pick<PhoneMessage, 'state' | 'failure'> {
  const state = states[statusString ?? ''] ?? 'sent';
  return {
    state,
    ...(state === 'failed' && { failure: { code: failedCode ?? '', detail: failedDetail ?? '' } }),
  };
}

/** Returns the file of a row that was not created by a call. */
function shownFile({ type, text, data }: HistoryRow): Shown {
  if (typeof data !== 'string' || typeof type !== 'string') return {};
  const name = type === 'document' && text ? text : nameOf(data);
  // WATI uses an id as the name of a file that has none.
  const file: ShownFile = { kind: type, name: uuidName.test(name) ? type : name };
  return { file: type === 'image' ? { ...file, path: data } : file };
}

const uuidName = /^[0-9a-f]{8}-[0-9a-f-]{27}\.\w{1,5}$/;

function wordsOf(row: HistoryRow): string | undefined {
  const place = named(row.location, 'name');
  if (place !== undefined) return `📍 ${place}`;
  const template = typeof row.finalText === 'string' ? row.finalText : undefined;
  return row.text ?? template ?? tapOf(row);
}

/** Returns the label that the customer tapped. */
function tapOf({ buttonReply, interactiveButtonReply, listReply }: HistoryRow): string | undefined {
  return named(buttonReply, 'text') ?? named(interactiveButtonReply, 'title') ?? named(listReply, 'title');
}

const tapKey = (message: unknown, label: string | undefined) => JSON.stringify([message ?? null, label ?? null]);

function excerpt(row: HistoryRow): string {
  const words = wordsOf(row) ?? shownFile(row).file?.name ?? String(row.type ?? '');
  return words.length > excerptMax ? `${words.slice(0, excerptMax)}…` : words;
}

const excerptMax = 120;

function named(value: unknown, name: string): string | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const entry: unknown = Reflect.get(value, name);
  return typeof entry === 'string' ? entry : undefined;
}
