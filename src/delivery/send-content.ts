import { hash } from 'node:crypto';
import { isPhone } from '../recipients/recipient.ts';
import type { ButtonsPost, FileLinkPost, ListPost, TemplatePost, TextPost } from '../schemas/message.ts';
import { digits } from '../schemas/words.ts';
import type { StoredSend } from '../store/port.ts';
import type { SendCall, SendCalls, WatiButtons, WatiReceiver } from '../upstream/messages.ts';
import type { Expectation } from '../upstream/verdict.ts';

/** What a caller asked to be sent, as it is recorded: enough to make the call, now, after a crash, or for a resend. */
export type Content =
  | { kind: 'text'; body: TextPost }
  | { kind: 'file-link'; body: FileLinkPost }
  | { kind: 'buttons'; body: ButtonsPost }
  | { kind: 'list'; body: ListPost }
  | TemplateContent;

export interface TemplateContent {
  kind: 'template';
  body: TemplatePost;
}

/** Everything but a template. */
export type SingleContent = Exclude<Content, TemplateContent>;

export interface PlannedCall {
  call: SendCall;
  expected: Expectation;
}

/** Our words into WATI's. `localMessageId` is our own id of the send, carried where WATI takes one (delivery.md 2.8). */
export function planCall(calls: SendCalls, { kind, body }: Content, localMessageId: string): PlannedCall {
  const to = digits(body.to);
  switch (kind) {
    case 'text':
      return { call: calls.text(to, body.text, localMessageId, body.replyTo), expected: {} };
    case 'file-link':
      return { call: calls.fileLink(to, body.url, body.caption), expected: { media: true } };
    case 'buttons': {
      const { to: _, channel: __, ...content } = body;
      return { call: calls.buttons(to, toWatiButtons(content)), expected: {} };
    }
    case 'list': {
      const { to: _, channel: __, ...content } = body;
      return { call: calls.list(to, content), expected: {} };
    }
    case 'template': {
      const template = { name: body.template, broadcastName: body.broadcastName ?? body.template };
      return { call: calls.templateTo(to, template, body.parameters ?? {}), expected: { template: true } };
    }
  }
}

/** A recorded template send as a receiver of the bulk call; its own id was recorded before the first byte (delivery.md 1.11). */
export function receiverOf(stored: StoredSend): WatiReceiver {
  const content = contentOf(stored);
  if (content?.kind !== 'template') throw new TypeError(`the send ${stored.id} is no template`);
  const { to, parameters = {} } = content.body;
  return { phone: digits(to), localMessageId: stored.localMessageId ?? stored.id, parameters };
}

/** What template sends must agree in to go out together. Undefined: this content goes in a call of its own. */
export function groupOf({ kind, body }: Content): { name: string; broadcastName: string } | undefined {
  if (kind !== 'template' || !isPhone(digits(body.to))) return undefined;
  return { name: body.template, broadcastName: body.broadcastName ?? body.template };
}

/** Only a Content was recorded there. */
export function contentOf({ call }: Pick<StoredSend, 'call'>): Content | undefined {
  return isContent(call) ? call : undefined;
}

function isContent(value: unknown): value is Content {
  return typeof value === 'object' && value !== null && 'kind' in value && 'body' in value;
}

/** Whether WATI takes our own id with this content. */
export const carriesLocalId = (content: Content): boolean => content.kind === 'text' || groupOf(content) !== undefined;

const headerTypes = { text: 'Text', image: 'Image', video: 'Video', document: 'Document' } as const;

function toWatiButtons({ header, ...rest }: Omit<ButtonsPost, 'to' | 'channel'>): WatiButtons {
  if (!header) return rest;
  const { type, text, url, fileName } = header;
  return {
    ...rest,
    header: {
      type: headerTypes[type],
      ...(text !== undefined && { text }),
      ...(url !== undefined && { media: { url, ...(fileName !== undefined && { fileName }) } }),
    },
  };
}

/**
 * SHA-256 in hex of the canonical JSON of what is sent, through which connection (delivery.md 2.6): neither headers nor
 * the order of properties count, nor does the optional plus of a number: two sends of one text are twins with or without.
 */
export const contentPrint = (connection: string, { kind, body }: Content): string =>
  fingerprintOf(connection, { kind, body: { ...body, to: digits(body.to) } });

export const fingerprintOf = (connection: string, content: unknown): string =>
  hash('sha256', canonical([connection, content]));

function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  const inner: Readonly<Record<string, unknown>> = { ...value };
  let text = '';
  for (const key of Object.keys(inner).sort()) {
    if (inner[key] !== undefined) text += `${text === '' ? '' : ','}${JSON.stringify(key)}:${canonical(inner[key])}`;
  }
  return `{${text}}`;
}
