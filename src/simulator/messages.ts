import { type Answer, badRequest, type Call, noContact, ok, one, refusal } from './call.ts';
import { findContact } from './contacts.ts';
import type { Ids } from './ids.ts';
import { isMagicCustomer, type SimulatedOutcome, simulatedOutcome } from './magic.ts';
import { isPicture, keepPicture } from './media.ts';
import { ButtonsBody, ListBody } from './schemas/messages.ts';
import { nameOf, type Shown } from './shown.ts';
import type { Choices, Contact, HistoryRow, Tenant } from './state.ts';

interface Content {
  readonly type: string;
  readonly text: string | null;
  readonly data?: string;
  readonly media?: Readonly<Record<string, unknown>>;
  readonly choices?: Choices;
  readonly shown?: Shown;
}

const noChoices: Choices = { field: 'interactiveButtonReply', labels: [] };

const windowMs = 24 * 3_600_000;

export function sendSessionMessage(call: Call, tenant: Tenant): Answer {
  const form = tenant.settings.lenientForm ? call.form?.messageText : undefined;
  const text = one(call.query, 'messageText') ?? form ?? '';
  // Also the answer to a JSON body, which WATI does not read here.
  if (text === '') return refusal({ info: 'message text can not be empty' });
  return deliver(call, tenant, { target: call.params.target ?? '', type: 'text', text });
}

export function sendSessionFile(call: Call, tenant: Tenant): Answer {
  const part = call.parts[0];
  if (call.parts.length !== 1 || part?.name !== 'file' || part.filename === undefined) {
    return refusal({ info: 'file can not be null' });
  }
  const { filename: name, contentType: mimeType = 'application/octet-stream', bytes } = part;
  return deliverMedia(call, tenant, { name, mimeType, bytes });
}

export function sendSessionFileViaUrl(call: Call, tenant: Tenant): Answer {
  const url = one(call.query, 'fileUrl') ?? '';
  return deliverMedia(call, tenant, { name: url, mimeType: mimeOf(url) });
}

export function sendInteractiveButtonsMessage(call: Call, tenant: Tenant): Answer {
  if (!ButtonsBody.Check(call.json)) return badRequest(['body']);
  const { body: text, buttons, header, footer } = call.json;
  const choices: Choices = { field: 'interactiveButtonReply', labels: buttons.map((button) => button.text) };
  const { fileName, url } = header?.media ?? {};
  const file = header && { kind: header.type.toLowerCase(), name: fileName ?? nameOf(url ?? header.type) };
  const shown: Shown = {
    ...(header && { header: header.text === undefined ? { ...(file && { file }) } : { text: header.text } }),
    ...(footer !== undefined && { footer }),
    buttons: choices.labels.map((label) => ({ kind: 'reply', text: label })),
  };
  const target = one(call.query, 'whatsappNumber') ?? '';
  return deliver(call, tenant, { target, type: 'interactive', text, choices, shown });
}

export function sendInteractiveListMessage(call: Call, tenant: Tenant): Answer {
  if (!ListBody.Check(call.json)) return badRequest(['body']);
  const { body: text, sections, header, footer, buttonText } = call.json;
  const labels = sections.flatMap(({ rows }) => rows.map((row) => row.title));
  const choices: Choices = { field: 'listReply', labels };
  const shown: Shown = {
    ...(header !== undefined && { header: { text: header } }),
    ...(footer !== undefined && { footer }),
    list: { label: buttonText, sections },
  };
  const target = one(call.query, 'whatsappNumber') ?? '';
  return deliver(call, tenant, { target, type: 'interactive', text, choices, shown });
}

interface SentFile {
  readonly name: string;
  readonly mimeType: string;
  readonly bytes?: number;
}

function deliverMedia(call: Call, tenant: Tenant, { name, mimeType, bytes }: SentFile): Answer {
  const target = call.params.target ?? '';
  // A plan without media by API refuses every file and accepts texts.
  if (!tenant.settings.mediaByApi) return refusal({ info: 'Failed to send file' });
  if (tenant.settings.mediaAsText) return deliver(call, tenant, { target, type: 'text', text: name });
  const caption = one(call.query, 'caption') ?? null;
  const kind = kindOf(mimeType);
  const extension = /\.[A-Za-z0-9]{1,5}$/.exec(name)?.[0] ?? '';
  const path = `data/${kind}s/${tenant.ids.uuid('file')}${extension}`;
  const isKept = bytes !== undefined && call.kept !== undefined && isPicture(mimeType);
  if (isKept) keepPicture(tenant, path, { contentType: mimeType, bytes: call.kept });
  return deliver(call, tenant, {
    target,
    type: kind,
    text: caption,
    data: path,
    media: { id: tenant.ids.uuid('media'), mimeType, caption },
    shown: {
      file: bytes === undefined ? { kind, name: nameOf(name) } : { kind, name, bytes, ...(isKept && { path }) },
    },
  });
}

function deliver(call: Call, tenant: Tenant, { target, ...content }: Content & { target: string }): Answer {
  const outcome = tenant.settings.magic ? simulatedOutcome(target) : undefined;
  if (outcome) return refuse(outcome);
  const contact = findContact(tenant, target) ?? adopt(call, tenant, target);
  if (!contact) return noContact();
  if (contact.status === 'INVALID') return refuse('not-on-whatsapp');
  if (!call.forced && !windowIsOpen(tenant, contact, call.now)) return refuse('window-closed');
  const row = addRow(tenant, contact, {
    ...outboundRow(tenant.ids, contact, { text: content.text, type: content.type, at: call.now }),
    localMessageId: one(call.query, 'localMessageId') ?? tenant.ids.uuid('local'),
    replyContextId: one(call.query, 'replyContextId') ?? null,
    data: content.data ?? null,
  });
  const channel = one(call.query, 'channelPhoneNumber');
  const { choices = noChoices, shown = {} } = content;
  tenant.onSent({ row, contact, choices, shown, channel });
  if (tenant.settings.bareResults) return ok({ result: true });
  const { owner: _owner, eventType: _eventType, ...message } = row;
  return ok({
    ok: true,
    result: 'success',
    message: { ...message, time: row.created, ...(content.media ? { media: content.media } : {}) },
  });
}

/** A magic number becomes a customer with a new message, as does a recipient for whom a test has stubbed a success. */
function adopt(call: Call, tenant: Tenant, target: string): Contact | undefined {
  const wanted = call.forced || (tenant.settings.magic && isMagicCustomer(target));
  if (!wanted || !/^[1-9][0-9]{6,14}$/.test(target)) return undefined;
  tenant.receive(target, 'Hello', call.now);
  return tenant.contacts.get(target);
}

function refuse(outcome: SimulatedOutcome): Answer {
  if (outcome === 'window-closed') {
    // The exact body that a real tenant answered.
    return refusal({ message: 'Ticket has been expired.', ticketStatus: 'CLOSED' });
  }
  if (outcome === 'opted-out') return refusal({ info: 'Contact has opted out' });
  return refusal({
    info: outcome === 'refused' ? 'Insufficient credits to send this message' : 'Phone number is not a WhatsApp number',
    ...(outcome === 'refused' ? {} : { validWhatsAppNumber: false }),
  });
}

/** The 24 h window, counted from the customer's last message. */
function windowIsOpen(tenant: Tenant, contact: Contact, now: number): boolean {
  const rows = tenant.history.get(contact.phone) ?? [];
  const last = rows.findLast((row) => row.owner === false && row.eventType === 'message');
  return last !== undefined && now - Date.parse(last.created) < windowMs;
}

export function addRow(tenant: Tenant, contact: Contact, row: HistoryRow): HistoryRow {
  const rows = tenant.history.get(contact.phone);
  if (rows) rows.push(row);
  else tenant.history.set(contact.phone, [row]);
  if (row.localMessageId) tenant.byLocalId.set(row.localMessageId, row);
  return row;
}

interface RowContent {
  readonly text: string | null;
  readonly type: string;
  readonly at: number;
}

export function outboundRow(ids: Ids, contact: Contact, { text, type, at }: RowContent): HistoryRow {
  return {
    ...rowBase(ids, contact, at),
    eventType: 'message',
    owner: true,
    text,
    type,
    statusString: 'SENT',
    status: 1,
    failedCode: null,
    failedDetail: null,
    operatorName: 'API',
    whatsappMessageId: newWamid(ids),
  };
}

export function inboundRow(ids: Ids, contact: Contact, { text, at }: { text: string; at: number }): HistoryRow {
  return {
    ...rowBase(ids, contact, at),
    eventType: 'message',
    owner: false,
    text,
    type: 'text',
    data: null,
    statusString: 'DELIVERED',
    localMessageId: ids.uuid('local'),
    whatsappMessageId: newWamid(ids),
  };
}

/** Fields of every row. Ids are derived from the contact, so that one chat is one conversation. */
export function rowBase(ids: Ids, contact: Contact, at: number) {
  return {
    id: ids.bytes('row', 12).toString('hex'),
    created: new Date(at).toISOString(),
    timestamp: String(Math.floor(at / 1_000)),
    conversationId: `c0${contact.id.slice(2)}`,
    ticketId: `d0${contact.id.slice(2)}`,
  };
}

export function newWamid(ids: Ids): string {
  return `wamid.${ids.bytes('wamid', 24).toString('base64')}`;
}

function kindOf(mimeType: string): string {
  const family = mimeType.split('/')[0] ?? '';
  return ['image', 'video', 'audio'].includes(family) ? family : 'document';
}

function mimeOf(url: string): string {
  if (/\.(jpe?g|png)$/i.test(url)) return 'image/jpeg';
  return /\.(mp4|3gp)$/i.test(url) ? 'video/mp4' : 'application/pdf';
}
