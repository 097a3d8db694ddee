import { usernameOf } from './contacts.ts';
import type { Failure } from './journeys.ts';
import type { Contact, HistoryRow, SentMessage } from './state.ts';

/** The bodies of WATI's webhooks, with the fields in docs/reference/upstream.md. */
export type WebhookBody = Readonly<Record<string, unknown>> & { readonly eventType: string };

/** One fact about one message, with its webhooks in WATI's order. */
export interface Telling {
  /** The same in each run with the same sends, because random draws depend on it and on the seed. */
  readonly name: string;
  /** Posts of one lane are never in progress at the same time, so they arrive in the order of their times. */
  readonly lane: string;
  readonly recipient: string;
  /** When it happens, in simulated time, ms. */
  readonly at: number;
  readonly bodies: readonly WebhookBody[];
  /** Replaces the settings: posted this often, and neither late nor lost. */
  readonly times?: number;
  readonly prompt?: boolean;
}

/** One fact has several forms: only `_v2` contains `localMessageId`, and only `_bsuid` always names the customer. */
export interface Form {
  readonly v2: boolean;
  readonly bsuid: boolean;
}

export interface ButtonClick {
  readonly text: string;
  readonly url: string;
  readonly at: number;
}

const suffix = ({ v2, bsuid }: Form) => `${v2 ? '_v2' : ''}${bsuid ? '_bsuid' : ''}`;

const ownChannel = '14155550999';
const channelFields = (channel: string | undefined) => ({
  channelId: null,
  channelPhoneNumber: channel ?? ownChannel,
});

/** The customer. A number that is hidden behind a username is null. */
function whoIs(contact: Contact, hidden = false) {
  return {
    waId: hidden ? null : contact.phone,
    bsuid: contact.bsuid ?? null,
    parentBsuid: null,
    username: contact.bsuid === undefined ? null : usernameOf(contact),
  };
}

/** The fields of every event of a message, and of its history row. */
function idsOf(row: HistoryRow, withLocalId: boolean) {
  return {
    id: row.id,
    whatsappMessageId: row.whatsappMessageId ?? null,
    ...(withLocalId ? { localMessageId: row.localMessageId ?? null } : {}),
    conversationId: row.conversationId,
    ticketId: row.ticketId,
  };
}

export function sentBody(message: SentMessage, form: Form): WebhookBody {
  const { row, contact, template, channel } = message;
  const who = form.v2 || form.bsuid ? whoIs(contact) : { waId: contact.phone };
  if (template) {
    return {
      eventType: `templateMessageSent${suffix(form)}`,
      ...idsOf(row, form.v2),
      templateId: template.id,
      templateName: template.elementName,
      created: sevenDecimals(row.created),
      text: row.finalText ?? null,
      operatorEmail: 'api@example.com',
      ...who,
      type: 'template',
      statusString: 'SENT',
      sourceType: 'API',
      headerLink: null,
      headerType: null,
      ...(form.v2 ? { templateContent: { headerText: null, footerText: template.footer, buttons: [] } } : {}),
      ...channelFields(channel),
    };
  }
  return {
    eventType: `sessionMessageSent${suffix(form)}`,
    ...idsOf(row, form.v2 || form.bsuid),
    text: row.text,
    type: row.type,
    data: row.data ?? null,
    timestamp: row.timestamp,
    owner: true,
    statusString: 'SENT',
    assigneeId: null,
    operatorEmail: 'api@example.com',
    operatorName: row.operatorName ?? null,
    ...who,
    replyContextId: row.replyContextId ?? '',
    chatbotTriggeredEventId: null,
    ...channelFields(channel),
  };
}

/** A customer opened the link of a template's button. Its time has no zone. */
export function clickedBody(
  { row, contact, template, channel }: SentMessage,
  { text, url, at }: ButtonClick,
  { bsuid }: Pick<Form, 'bsuid'>,
): WebhookBody {
  return {
    eventType: `ctaUrlClicked${bsuid ? '_bsuid' : ''}`,
    ...idsOf(row, true),
    templateId: template?.id ?? null,
    templateName: template?.elementName ?? null,
    created: new Date(at).toISOString().replace('Z', ''),
    displayText: text,
    buttonUrl: url,
    text: row.finalText ?? null,
    operatorEmail: 'api@example.com',
    ...(bsuid ? whoIs(contact) : { waId: contact.phone }),
    type: 'template',
    statusString: 'SENT',
    sourceType: 'API',
    ...channelFields(channel),
  };
}

const statusWords = { delivered: 'Delivered', read: 'Read', replied: 'Replied' } as const;

/** Names no customer, and its time is that of the message. */
export function statusBody(message: SentMessage, fact: keyof typeof statusWords, form: Form): WebhookBody {
  const { row, template, channel } = message;
  return {
    eventType: `sentMessage${fact.toUpperCase()}${suffix(form)}`,
    statusString: statusWords[fact],
    ...idsOf(row, form.v2),
    text: template ? null : row.text,
    type: template ? 'template' : row.type,
    timestamp: row.timestamp,
    assigneeId: null,
    operatorEmail: null,
    ...channelFields(channel),
  };
}

/** This event has a single name, and contains `localMessageId`. */
export function failedBody({ row, template }: SentMessage, { code, detail }: Failure): WebhookBody {
  return {
    eventType: template ? 'templateMessageFailed' : 'sessionMessageFailed',
    ...idsOf(row, true),
    type: template ? 'template' : 'session',
    statusString: 'Failed',
    text: template ? null : row.text,
    timestamp: row.timestamp,
    failedCode: code,
    failedDetail: detail,
  };
}

/** A customer wrote. `statusString` is "SENT" for these too. */
export function receivedBody(
  row: HistoryRow,
  contact: Contact,
  form: { bsuid: boolean; hidden: boolean },
): WebhookBody {
  return {
    eventType: form.bsuid ? 'message_bsuid' : 'message',
    ...idsOf(row, false),
    created: sevenDecimals(row.created),
    text: row.text,
    type: row.type,
    data: typeof row.data === 'string' ? fileAddress(row.data) : null,
    sourceId: null,
    sourceUrl: null,
    timestamp: row.timestamp,
    owner: false,
    statusString: 'SENT',
    avatarUrl: null,
    assignedId: null,
    operatorName: null,
    operatorEmail: null,
    ...whoIs(contact, form.hidden),
    messageContact: null,
    senderName: form.hidden ? usernameOf(contact).slice(1) : contact.name,
    listReply: row.listReply ?? null,
    interactiveButtonReply: row.interactiveButtonReply ?? null,
    buttonReply: row.buttonReply ?? null,
    replyContextId: row.replyContextId ?? '',
    sourceType: 0,
    frequentlyForwarded: false,
    forwarded: false,
    ...channelFields(undefined),
  };
}

export function newContactBody(row: HistoryRow, contact: Contact, bsuid: boolean): WebhookBody {
  return {
    eventType: `newContactMessageReceived${bsuid ? '_bsuid' : ''}`,
    id: row.id,
    created: sevenDecimals(row.created),
    senderName: contact.name,
    sourceId: null,
    sourceUrl: null,
    sourceType: 0,
    ...(bsuid ? whoIs(contact) : { waId: contact.phone }),
  };
}

/** Webhooks have the whole address instead of the path. */
const fileAddress = (path: string) => `https://live-mt-server.wati.io/2552/api/file/showFile?fileName=${path}`;

/** In .NET's format. */
const sevenDecimals = (iso: string) => iso.replace(/Z$/, '0000Z');
