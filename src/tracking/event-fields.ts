import { isBlank, textFault } from '../lib/text.ts';
import type { ContactIdentity, EventIds } from '../store/tracking-store.ts';
import { asText, firstOf, valuesOf } from '../upstream/answers/fields.ts';
import { scrubErrorText } from '../upstream/scrub-error-text.ts';
import { isoDate, type JsonObject } from '../upstream/tolerant-reader.ts';
import { isEvent } from './event-names.ts';
import type { DeliveryFailure } from './types.ts';

/** Reads fields of a webhook tolerantly, because anyone who knows the address can post one. No function throws. */

/** An id has no blanks, no control characters, and only ASCII. A longer one would not fit into an index. */
const id = /^[\x21-\x7e]{1,256}$/;
/** Placeholders of an absent id. */
const noId = /^(?:[0-]+|null|undefined|none|string)$/i;

/** The first field that contains an id. A placeholder in one field does not hide an id in the next. */
const idIn = (member: JsonObject, ...names: string[]): string | undefined =>
  names
    .flatMap((name) => valuesOf(member, name).map(asText))
    .find((value) => value !== undefined && id.test(value) && !noId.test(value));

/** The text in one line, cut at `length`. */
function labelIn(member: JsonObject, length: number, ...names: string[]): string | undefined {
  const value = asText(firstOf(member, ...names))?.slice(0, length);
  const isFit = value !== undefined && !isBlank(value) && textFault(value.toWellFormed(), 'line') === undefined;
  return isFit ? value : undefined;
}

/** A copy without undefined properties. */
const present = <Name extends string>(values: Record<Name, string | undefined>) =>
  Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as { [Key in Name]?: string };

export const idsOf = (member: JsonObject): EventIds =>
  present({
    localMessageId: idIn(member, 'localMessageId', 'local_message_id'),
    whatsappMessageId: idIn(member, 'whatsappMessageId', 'whatsapp_message_id'),
    watiId: idIn(member, 'id', '_id'),
  });

/** Undefined if the message quotes no other: WATI then has `""`. */
export const quotedIn = (member: JsonObject): string | undefined => idIn(member, 'replyContextId');

const bsuid = /^[A-Z]{2}\.(?:ENT\.)?[A-Za-z0-9]{1,128}$/;
const contactId = /^[0-9a-f]{24}$/;

export const identityOf = (member: JsonObject): ContactIdentity =>
  present({
    phone: phoneIn(firstOf(member, 'waId', 'wa_id')),
    bsuid: matching(bsuid, idIn(member, 'bsuid')),
    parentBsuid: matching(bsuid, idIn(member, 'parentBsuid')),
    contactId: matching(contactId, idIn(member, 'contactId')),
    username: labelIn(member, 64, 'username'),
    name: labelIn(member, 256, 'senderName'),
    watiConversationId: idIn(member, 'conversationId'),
  });

const matching = (pattern: RegExp, value: string | undefined): string | undefined =>
  value !== undefined && pattern.test(value) ? value : undefined;

/** A phone number in WhatsApp's form, digits only. Some events put a `+` or blanks before it. */
const phoneIn = (value: unknown): string | undefined => /^\+?([1-9]\d{6,14})$/.exec(asText(value) ?? '')?.[1];

/** The name of a template, at most as long as Meta allows. */
export const templateNameOf = (member: JsonObject): string | undefined =>
  labelIn(member, 512, 'templateName', 'template_name');

/** WhatsApp exists since 2009. An earlier time comes from a clock that was not set. */
const earliest = Date.UTC(2009, 0);
const latest = Date.UTC(2100, 0);

/** Parses `created` (ISO with up to seven decimals, with or without a zone) and `timestamp` (seconds, milliseconds or ISO). */
export function timeOf(member: JsonObject, ...names: readonly string[]): number | undefined {
  for (const name of names) {
    const at = timeIn(firstOf(member, name));
    if (at !== undefined) return at;
  }
  return undefined;
}

function timeIn(value: unknown): number | undefined {
  const words = asText(value)?.slice(0, 64);
  const [, seconds, fraction] = /^(\d{9,11})(\.\d+)$/.exec(words ?? '') ?? [];
  const iso = isoDate(seconds ?? words);
  const at = iso === undefined ? Number.NaN : Date.parse(iso) + Math.floor(Number(fraction ?? 0) * 1_000);
  return at >= earliest && at < latest ? at : undefined;
}

/** Why a message failed. WATI and Meta use many names for it, in the event itself or in an object or list inside it. */
export function failureOf(member: JsonObject): DeliveryFailure | undefined {
  const places = [member, ...placesBelow(member)];
  const code = firstIn(places, (place) => codeIn(firstOf(place, ...codeNames)));
  const detail = firstIn(places, (place) => asText(firstOf(place, ...detailNames))) ?? bareText(member);
  if (code === undefined && detail === undefined) return undefined;
  return { code: code ?? codeInWords(detail) ?? 'unknown', detail: scrubErrorText(detail ?? '') };
}

const codeNames = ['failedCode', 'failureCode', 'errorCode', 'error_code', 'code'];
const detailNames = [
  ...['failedDetail', 'failedReason', 'failureReason', 'failureDetail', 'errorMessage', 'error_message', 'details'],
  ...['detail', 'message', 'title', 'reason', 'description'],
];
const holders = ['failure', 'error', 'errors', 'failed', 'error_data', 'errorData'];
const entriesMax = 8;

/** Looks two levels deep: Meta has `errors: [{code, error_data: {details}}]`. */
function placesBelow(member: JsonObject): JsonObject[] {
  const inner = (place: JsonObject) =>
    holders.flatMap((name) => {
      const value = firstOf(place, name);
      return (Array.isArray(value) ? value.slice(0, entriesMax) : [value]).filter(isEvent);
    });
  const first = inner(member);
  return [...first, ...first.flatMap(inner)];
}

/** `error: "Message undeliverable"`. */
const bareText = (member: JsonObject): string | undefined =>
  asText([firstOf(member, ...holders)].flat().find((value) => typeof value === 'string'));

function firstIn<Found>(places: readonly JsonObject[], read: (place: JsonObject) => Found | undefined) {
  for (const place of places) {
    const found = read(place);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** A code: a number of Meta's or a word of WATI's. 0 means that there is none. */
function codeIn(value: unknown): string | undefined {
  const words = asText(value)?.slice(0, 64);
  if (words === undefined || /^(?:0|null|none)$/i.test(words)) return undefined;
  if (/^\w{1,32}$/.test(words)) return words;
  return codeInWords(words);
}

/** `(#131026) Message undeliverable`, `131026: …`. */
const codeInWords = (words: string | undefined): string | undefined =>
  /(?<!\d)\d{3,6}(?!\d)/.exec(words?.slice(0, 200) ?? '')?.[0];
