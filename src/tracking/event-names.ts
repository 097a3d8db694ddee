import { firstOf } from '../upstream/answers/fields.ts';
import { isObject, type JsonObject } from '../upstream/tolerant-reader.ts';
import type { StatusFact } from './types.ts';

/** What an event of a known name means. */
export type EventMeaning =
  | { kind: 'status'; fact: StatusFact }
  | { kind: 'message' | 'identity' | 'clicked' | 'template' | 'account' };

const status = (fact: StatusFact): EventMeaning => ({ kind: 'status', fact });

/** Names are compared as a whole: `markedUnread` contains "read" and is no receipt. */
const meanings: ReadonlyMap<string, EventMeaning> = new Map(
  Object.entries({
    sessionmessagesent: status('sent'),
    templatemessagesent: status('sent'),
    sentmessagedelivered: status('delivered'),
    sentmessageread: status('read'),
    sentmessagereplied: status('replied'),
    templatemessagefailed: status('failed'),
    sessionmessagefailed: status('failed'),
    sentmessagefailed: status('failed'),
    message: { kind: 'message' },
    newcontactmessagereceived: { kind: 'identity' },
    ctaurlclicked: { kind: 'clicked' },
    templatereviewed: { kind: 'template' },
    templatequalityupdated: { kind: 'template' },
    templatecategoryupdated: { kind: 'template' },
    phonenumberqualityupdatedevent: { kind: 'account' },
    phonenumberdeleted: { kind: 'account' },
    wabastatusreviewupdate: { kind: 'account' },
    accountdeleted: { kind: 'account' },
    accountupdated: { kind: 'account' },
  }),
);

/**
 * The most fields in an event. A real one has about thirty; each reader scans all of them, which takes seconds for as many as
 * fit into a body.
 */
const fieldsMax = 500;

/** Whether a value can be an event or part of one: an object. */
export const isEvent = (value: unknown): value is JsonObject =>
  isObject(value) && Object.keys(value).length <= fieldsMax;

/** The event's name as it is written in the event. */
export const eventTypeOf = (event: JsonObject): unknown => firstOf(event, 'eventType', 'event_type');

/** Longer names are not known: the longest known one, with both suffixes, is half as long. */
const nameMax = 64;
const twin = /(?:_v2|_bsuid)$/;

/** The name in lower case without the suffixes `_v2` and `_bsuid`, so that the twins of one fact have one name. */
export function eventName(eventType: unknown): string {
  if (typeof eventType !== 'string' || eventType.length > nameMax) return '';
  let name = eventType.trim().toLowerCase();
  while (twin.test(name)) name = name.replace(twin, '');
  return name;
}

export const meaningOf = (name: string): EventMeaning | undefined => meanings.get(name);
