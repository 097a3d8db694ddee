import { memoizeLast } from '../lib/memoize.ts';
import { flagOf } from './answers/fields.ts';
import { entriesIn, type Link, linkIn } from './pages.ts';
import { asArray, asString, isObject, type JsonObject, paramPairs } from './tolerant-reader.ts';

/** A contact with WATI's names, in one unambiguous form. Dates are still as WATI writes them. */
export interface WatiContact {
  id: string | undefined;
  wAid: string | undefined;
  /** WhatsApp's ids of this person: for this business, and for its parent enterprise. */
  bsuids: readonly string[];
  name: string | undefined;
  /** Name, value, name, value. Consumers build a map if they need one. */
  customParams: readonly string[];
  optedIn: boolean | undefined;
  allowBroadcast: boolean | undefined;
  contactStatus: string | undefined;
  /** WATI keeps deleted contacts and lists them. */
  isDeleted: boolean;
  created: unknown;
  lastUpdated: unknown;
}

export interface ContactList {
  contacts: readonly WatiContact[];
  /** The number of entries that WATI sent, including those that cannot be parsed. */
  sent: number;
  link: Link;
}

/** A page of contacts. Requests that share the answer share this object. */
export const contactsIn = memoizeLast((body: JsonObject): ContactList => {
  const entries = entriesIn(body, body.contact_list);
  const contacts: WatiContact[] = [];
  for (const raw of entries) {
    const contact = readContact(raw);
    if (contact) contacts.push(contact);
  }
  return { contacts, sent: entries.length, link: linkIn(body) };
});

/** An attribute that is null has no value. That differs from an empty value. */
const hasValue = (entry: unknown): boolean => isObject(entry) && (entry.value ?? entry.paramValue ?? null) !== null;

export function readContact(raw: unknown): WatiContact | undefined {
  if (!isObject(raw)) return undefined;
  const id = asString(raw.id);
  const wAid = (asString(raw.wAid) ?? asString(raw.wa_id) ?? asString(raw.phone))?.replace(/^\+/, '');
  if (id === undefined && wAid === undefined) return undefined;
  const contactStatus = asString(raw.contactStatus) ?? asString(raw.contact_status);
  return {
    id,
    wAid,
    bsuids: [asString(raw.bsuid), asString(raw.parentBsuid)].filter((each) => each !== undefined),
    name: asString(raw.fullName) ?? asString(raw.firstName) ?? asString(raw.name) ?? asString(raw.display_name),
    customParams: paramPairs(asArray(raw.customParams ?? raw.custom_params).filter(hasValue)),
    isDeleted: flagOf(raw.isDeleted) === true || contactStatus?.toUpperCase() === 'DELETED',
    optedIn: flagOf(raw.optedIn ?? raw.opted_in),
    allowBroadcast: flagOf(raw.allowBroadcast ?? raw.allow_broadcast),
    contactStatus,
    created: raw.created,
    lastUpdated: raw.lastUpdated ?? raw.last_updated,
  };
}
