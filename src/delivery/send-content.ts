import { hash } from 'node:crypto';
import { isObject } from '../lib/is-object.ts';
import { isPhone } from '../recipients/recipient.ts';
import { digits } from '../schemas/common.ts';
import type { ButtonsPost, FileLinkPost, ListPost, TemplatePost, TextPost } from '../schemas/message-posts.ts';
import type { StoredMessage } from '../store/message-store.ts';
import type { ResponseExpectation } from '../upstream/classify-response.ts';
import type { SendCall, SendCalls, WatiButtons, WatiReceiver } from '../upstream/send-calls.ts';

/** A request without the fields that are recorded beside the content: they are neither sent to WATI nor part of the fingerprint. */
type ContentOf<Post> = Omit<Post, Beside>;
type Beside = 'reference' | 'sendAt' | 'notAfter';

export function contentIn<Post extends { [Name in Beside]?: string }>({
  reference: _,
  sendAt: _s,
  notAfter: _n,
  ...content
}: Post): ContentOf<Post> {
  return content;
}

/** The content of a message as it is stored: enough to make the upstream call now, after a crash, or for a resend. */
export type Content =
  | { kind: 'text'; body: ContentOf<TextPost> }
  | { kind: 'file-link'; body: ContentOf<FileLinkPost> }
  | { kind: 'buttons'; body: ContentOf<ButtonsPost> }
  | { kind: 'list'; body: ContentOf<ListPost> }
  | TemplateContent;

export interface TemplateContent {
  kind: 'template';
  body: ContentOf<TemplatePost>;
}

/** Content of all kinds but templates. */
export type SingleContent = Exclude<Content, TemplateContent>;

export interface UpstreamCall {
  call: SendCall;
  expected: ResponseExpectation;
}

/** The upstream call for this content. `localMessageId` is our own id, by which reconciliation finds the message. */
export function toUpstreamCall(calls: SendCalls, { kind, body }: Content, localMessageId: string): UpstreamCall {
  const to = digits(body.to);
  switch (kind) {
    case 'text':
      return { call: calls.text(to, body.text, { localMessageId, replyContextId: body.replyTo }), expected: {} };
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

/**
 * The receiver entry of a stored template message for the bulk call. Its client id was stored before the first byte was sent,
 * so that the message can be looked up after a crash.
 */
export function receiverOf(stored: StoredMessage): WatiReceiver {
  const content = contentOf(stored);
  if (content?.kind !== 'template') throw new TypeError(`the send ${stored.id} is no template`);
  const { to, parameters = {} } = content.body;
  return { phone: digits(to), localMessageId: stored.localMessageId ?? stored.id, parameters };
}

/** How many characters of a call its parameters take, about. */
export function parameterLength(stored: Pick<StoredMessage, 'content'>): number {
  const content = contentOf(stored);
  if (content?.kind !== 'template') return 0;
  let length = 0;
  for (const value of Object.values(content.body.parameters ?? {})) length += value.length;
  return length;
}

/** The fields that template messages must have in common to share a call. Undefined: this content is sent in a call of its own. */
export function batchFieldsOf({ kind, body }: Content): { name: string; broadcastName: string } | undefined {
  if (kind !== 'template' || !isPhone(digits(body.to))) return undefined;
  return { name: body.template, broadcastName: body.broadcastName ?? body.template };
}

/** The field contains only a Content. */
export function contentOf({ content }: Pick<StoredMessage, 'content'>): Content | undefined {
  return isContent(content) ? content : undefined;
}

function isContent(value: unknown): value is Content {
  return typeof value === 'object' && value !== null && 'kind' in value && 'body' in value;
}

/** Whether WATI accepts our own id with this content. */
export const supportsClientId = (content: Content): boolean =>
  content.kind === 'text' || batchFieldsOf(content) !== undefined;

const headerTypes = { text: 'Text', image: 'Image', video: 'Video', document: 'Document' } as const;

function toWatiButtons({ header, ...rest }: Omit<ButtonsPost, 'to' | 'channel' | Beside>): WatiButtons {
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
 * SHA-256 in hex of the canonical JSON of connection and content. Headers, the order of properties and a `+` before the number
 * make no difference: the same text to the same person is the same content.
 */
export const contentFingerprint = (connection: string, { kind, body }: Content): string =>
  fingerprintOf(connection, { kind, body: { ...body, to: digits(body.to) } });

export const fingerprintOf = (connection: string, content: unknown): string =>
  hash('sha256', canonical([connection, content]));

function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (!isObject(value)) return JSON.stringify(value) ?? 'null';
  let text = '';
  for (const key of Object.keys(value).sort()) {
    const inner = value[key];
    if (inner !== undefined) text += `${text === '' ? '' : ','}${JSON.stringify(key)}:${canonical(inner)}`;
  }
  return `{${text}}`;
}
