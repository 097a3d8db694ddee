import { firstOf } from '../upstream/answers/fields.ts';
import { isObject, type JsonObject } from '../upstream/tolerant-reader.ts';
import type { StatusFact } from './types.ts';

/** Meaning of an event of a known name. */
export type EventMeaning =
  | { kind: 'status'; fact: StatusFact }
  | { kind: 'message' | 'identity' | 'clicked' | 'template' | 'account' };

const status = (fact: StatusFact): EventMeaning => ({ kind: 'status', fact });

/** Whole names: `markedUnread` holds "read", and is no receipt. */
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
    accountreviewupdated: { kind: 'account' },
    accountdeleted: { kind: 'account' },
    accountupdated: { kind: 'account' },
  }),
);

/** An event has some thirty fields. Each reader scans all of them, which takes seconds with as many as fit in a body. */
const fieldsMax = 500;

/** An object that can be an event, or a part of one. */
export const isEvent = (value: unknown): value is JsonObject =>
  isObject(value) && Object.keys(value).length <= fieldsMax;

/** The name as the event spells it. */
export const eventTypeOf = (event: JsonObject): unknown => firstOf(event, 'eventType', 'event_type');

/** The longest known name, with both of its suffixes, is half as long. */
const nameMax = 64;
const twin = /(?:_v2|_bsuid)$/;

/** The name without its case and the suffixes of its twins (`_v2`, `_bsuid`): one name for what is one fact. */
export function eventName(eventType: unknown): string {
  if (typeof eventType !== 'string' || eventType.length > nameMax) return '';
  let name = eventType.trim().toLowerCase();
  while (twin.test(name)) name = name.replace(twin, '');
  return name;
}

export const meaningOf = (name: string): EventMeaning | undefined => meanings.get(name);
