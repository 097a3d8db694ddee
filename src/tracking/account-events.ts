import { createHash } from 'node:crypto';
import { cutText } from '../lib/cut-text.ts';
import { foreignPatterns } from '../lib/patterns.ts';
import { asText, firstOf } from '../upstream/answers/fields.ts';
import type { JsonObject } from '../upstream/tolerant-reader.ts';
import { present, templateNameOf, timeOf } from './event-fields.ts';
import type { AccountEvent, TemplateEvent } from './types.ts';

/** WATI's names of the numbers, from 0 on. */
const templateStatuses = [
  ...['draft', 'pending', 'approved', 'rejected', 'deleted', 'pending-internal', 'disabled', 'paused'],
];
const qualities = ['unknown', 'green', 'red', 'yellow'];
const wordMax = 64;
const reasonMax = 512;

const { blanks, unprintable } = foreignPatterns;

/** The beginning of a text, in one line and without control characters. */
const lineOf = (text: string, length: number): string =>
  cutText(text, length).toWellFormed().replace(blanks.pattern, ' ').replace(unprintable.pattern, '');

/** Review, quality or category of a template. Undefined: it names none. */
export function templateEvent(member: JsonObject): TemplateEvent | undefined {
  const name = templateNameOf(member);
  if (name === undefined) return undefined;
  const reason = asText(firstOf(member, 'rejectionReason', 'rejectedReason', 'reason', 'errorMessage'));
  const changed = {
    status: wordIn(member, templateStatuses, 'newTemplateStatus', 'templateStatus'),
    quality: wordIn(member, qualities, 'newTemplateQuality', 'templateQuality'),
    category: wordIn(member, [], 'newTemplateCategory', 'templateCategory'),
    reason: reason === undefined || reason.toLowerCase() === 'none' ? undefined : lineOf(reason, reasonMax),
  };
  return { kind: 'template', template: { name, ...present(changed) }, ...aboutOf(member) };
}

/** A number is an index into the list; a word is returned in small letters. */
function wordIn(member: JsonObject, words: readonly string[], ...names: string[]): string | undefined {
  const value = asText(firstOf(member, ...names));
  if (value === undefined) return undefined;
  if (/^\d{1,3}$/.test(value)) return words[Number(value)];
  return /^[\w -]+$/.test(value) ? cutText(value.toLowerCase().replaceAll(/[_ ]/g, '-'), wordMax) : undefined;
}

const happenings: Readonly<Record<string, string>> = {
  phonenumberqualityupdatedevent: 'number-quality',
  phonenumberdeleted: 'number-deleted',
  wabastatusreviewupdate: 'account-review',
  accountreviewupdated: 'account-review',
  accountdeleted: 'account-deleted',
  accountupdated: 'account-updated',
};

/** A change of the company's number or account, with the fields of the webhook. */
export const accountEvent = (member: JsonObject, name: string): AccountEvent => ({
  kind: 'account',
  account: { what: happenings[name] ?? name, detail: fieldsIn(member) },
  ...aboutOf(member),
});

const fieldsMax = 20;
const detailMax = 1_024;

/** `phoneNumber: 14155550199, event: FLAGGED`. */
function fieldsIn(member: JsonObject): string {
  const words = scalars(member)
    .slice(0, fieldsMax)
    .map(([name, value]) => `${lineOf(name, wordMax)}: ${lineOf(value, 256)}`);
  return cutText(words.join(', '), detailMax);
}

const scalars = (member: JsonObject): [string, string][] =>
  Object.entries(member).flatMap(([name, value]) => {
    const text = asText(value);
    return text === undefined || /^event_?type$/i.test(name) ? [] : [[name, text]];
  });

/** Two events with equal fields apart from the name are twins. */
function aboutOf(member: JsonObject): { key: string; at?: number } {
  const at = timeOf(member, 'timestamp', 'created');
  const key = createHash('sha256')
    .update(JSON.stringify(scalars(member).toSorted()))
    .digest('base64url')
    .slice(0, 22);
  return { key, ...(at !== undefined && { at }) };
}
