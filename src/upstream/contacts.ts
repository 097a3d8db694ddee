import { oncePer } from '../once-per.ts';
import { foreignPatterns } from '../patterns.ts';
import { Problem } from '../problem.ts';
import { flagOf } from './answers/fields.ts';
import { reasonOf } from './answers/reason.ts';
import { assertSuccess, type CallContext, type Client, isUnknownContact, strange } from './client.ts';
import { isObject, isoDate, type JsonObject, list, paramPairs, str } from './lenient.ts';
import { asPageTooLong, entriesIn, inSmallerPages, type Link, linkIn, pagesOf } from './pages.ts';

/** WATI's contact in WATI's words, with the doubt taken out (upstream.md 3.1). Dates are still as WATI writes them. */
export interface WatiContact {
  id: string | undefined;
  wAid: string | undefined;
  /** WhatsApp's ids of this person for the business, and for the enterprise that it belongs to. */
  bsuids: readonly string[];
  name: string | undefined;
  /** Name, value, name, value: whoever wants them as a map makes the only one. */
  customParams: readonly string[];
  optedIn: boolean | undefined;
  allowBroadcast: boolean | undefined;
  contactStatus: string | undefined;
  /** WATI keeps contacts that were deleted, and lists them. */
  isDeleted: boolean;
  created: unknown;
  lastUpdated: unknown;
}

export interface ContactFilter {
  pageNumber: number;
  pageSize: number;
  name?: string | undefined;
  createdDate?: string | undefined;
  attribute?: { name: string; operator: string; value?: string }[] | undefined;
}

export interface ContactList {
  contacts: readonly WatiContact[];
  /** How many WATI sent, those that cannot be read included. */
  sent: number;
  link: Link;
}

type Attributes = Readonly<Record<string, string>>;

export interface Contacts {
  list(context: CallContext, filter: ContactFilter): Promise<ContactList>;
  /**
   * The contact with exactly this number that was not deleted; of several, the one that changed last. `name` also matches part
   * of a number, so the list is narrowed here.
   */
  find(context: CallContext, phone: string): Promise<WatiContact | undefined>;
  /** The contact with exactly this contact id or BSUID, which was not deleted. */
  findById(context: CallContext, id: string): Promise<WatiContact | undefined>;
  /** `exists`: WATI has the number already, nothing was changed. */
  add(
    context: CallContext,
    phone: string,
    name: string | undefined,
    attributes: Attributes,
  ): Promise<WatiContact | 'exists' | undefined>;
  /** Throws `not-found` where there is no such contact. */
  update(context: CallContext, target: string, attributes: Attributes): Promise<WatiContact | undefined>;
}

/** The second where contacts have so many attributes that a page of the first is too long. */
const findPageSizes = [100, 10] as const;

/**
 * A short number may be part of many others; beyond these pages it is taken for absent. A number of ten digits and more is in few,
 * so its pages are no cost; a short one may not spend the calls of others.
 */
const findPagesMax = (phone: string): number => (phone.length < 10 ? 2 : 5);

export function createContacts(client: Client): Contacts {
  const readPage: Contacts['list'] = async (context, { pageNumber, pageSize, name, createdDate, attribute }) => {
    const query = { pageNumber, pageSize, name, createdDate, attribute: attribute && JSON.stringify(attribute) };
    const body = await client.get(context, { operation: 'getContacts', path: '/api/v1/getContacts', query });
    if (!isObject(body)) throw strange(200);
    return pageIn(body);
  };

  /** By WATI's newer API, which not every gateway and token reaches: then it tells nothing. */
  const readById = async (context: CallContext, id: string) => {
    const call = { operation: 'getContactV3', path: `/api/ext/v3/contacts/${id}` };
    const body = await client.get(context, call).catch(nothingIfAnswered);
    if (!isObject(body)) return undefined;
    return readContact(isObject(body.contact) ? body.contact : body);
  };

  const findIn = async (context: CallContext, phone: string, pageSize: number) => {
    const read = async (page: { pageNumber: number; pageSize: number }) => {
      const { contacts, ...rest } = await readPage(context, { ...page, name: phone });
      return { items: contacts, ...rest };
    };
    const pages = pagesOf(read, { pageSize, pagesMax: findPagesMax(phone), keyOf });
    for await (const contacts of pages) {
      const match = lastChanged(contacts.filter(({ wAid, isDeleted }) => wAid === phone && !isDeleted));
      if (match) return match;
    }
    return undefined;
  };

  return {
    list: (context, filter) =>
      readPage(context, filter).catch((error: unknown) => asPageTooLong(error, filter.pageSize)),
    find: (context, phone) => inSmallerPages(findPageSizes, (pageSize) => findIn(context, phone, pageSize)),
    findById: async (context, id) => {
      const isMeant = (contact: WatiContact | undefined) =>
        contact !== undefined && !contact.isDeleted && (contact.id === id || contact.bsuids.includes(id));
      const known = await readById(context, id);
      if (isMeant(known)) return known;
      // The older API knows no single contact; that its search finds ids is not documented, so one page is asked for.
      const { contacts } = await readPage(context, { pageNumber: 1, pageSize: findPageSizes[1], name: id });
      return lastChanged(contacts.filter(isMeant));
    },
    add: async (context, phone, name, attributes) => {
      const json = { name: name ?? null, customParams: toParams(attributes) };
      const path = `/api/v1/addContact/${phone}`;
      const call = { operation: 'addContact', method: 'POST', path, json } as const;
      const body = await client.write(context, call).catch(existsOrThrow);
      // The words decide, whatever flag or status stands beside them.
      if (body === 'exists' || saysExists(reasonOf(body, ''))) return 'exists';
      assertSuccess(body);
      return readContact(body.contact);
    },
    update: async (context, target, attributes) => {
      const json = { customParams: toParams(attributes) };
      const path = `/api/v1/updateContactAttributes/${target}`;
      const body = await client.write(context, { operation: 'updateContactAttributes', method: 'POST', path, json });
      // A bare result:false is how a tenant says that there is no such contact (upstream.md 3.1).
      assertSuccess(isBareRefusal(body) ? { ...body, info: "Can't find Contact" } : body);
      return readContact(body.contact);
    },
  };
}

const saysExists = (reason: string): boolean => foreignPatterns.alreadyExists.pattern.test(reason);

function existsOrThrow(error: unknown): 'exists' {
  const refused = error instanceof Problem && error.slug === 'upstream-rejected';
  if (refused && saysExists(error.extras.upstream?.detail ?? '')) return 'exists';
  throw error;
}

const keyOf = ({ id, wAid }: WatiContact): string => id ?? wAid ?? '';

function nothingIfAnswered(error: unknown): undefined {
  const told = error instanceof Problem && error.extras.upstream !== undefined;
  if (!told || ['upstream-unavailable', 'rate-limited', 'connection-unusable'].includes(error.slug)) throw error;
  return undefined;
}

/** One number may have several contacts. */
function lastChanged(contacts: readonly WatiContact[]): WatiContact | undefined {
  const changed = ({ lastUpdated, created }: WatiContact) => isoDate(lastUpdated) ?? isoDate(created) ?? '';
  return contacts.toSorted((one, other) =>
    changed(one) < changed(other) ? 1 : changed(one) > changed(other) ? -1 : 0,
  )[0];
}

const isBareRefusal = (body: JsonObject) =>
  body.result === false && !isUnknownContact(reasonOf(body, '')) && reasonOf(body, '') === 'no reason was given';

const toParams = (attributes: Attributes) => Object.entries(attributes).map(([name, value]) => ({ name, value }));

/** A page of contacts, as those who share the answer share it. */
const pageIn = oncePer((body: JsonObject): ContactList => {
  const entries = entriesIn(body, body.contact_list);
  const contacts: WatiContact[] = [];
  for (const raw of entries) {
    const contact = readContact(raw);
    if (contact) contacts.push(contact);
  }
  return { contacts, sent: entries.length, link: linkIn(body) };
});

/** An attribute that is null has no value, which is not an empty one. */
const hasValue = (entry: unknown): boolean => isObject(entry) && (entry.value ?? entry.paramValue ?? null) !== null;

function readContact(raw: unknown): WatiContact | undefined {
  if (!isObject(raw)) return undefined;
  const id = str(raw.id);
  const wAid = (str(raw.wAid) ?? str(raw.wa_id) ?? str(raw.phone))?.replace(/^\+/, '');
  if (id === undefined && wAid === undefined) return undefined;
  const contactStatus = str(raw.contactStatus) ?? str(raw.contact_status);
  return {
    id,
    wAid,
    bsuids: [str(raw.bsuid), str(raw.parentBsuid)].filter((each) => each !== undefined),
    name: str(raw.fullName) ?? str(raw.firstName) ?? str(raw.name) ?? str(raw.display_name),
    customParams: paramPairs(list(raw.customParams ?? raw.custom_params).filter(hasValue)),
    isDeleted: flagOf(raw.isDeleted) === true || contactStatus?.toUpperCase() === 'DELETED',
    optedIn: flagOf(raw.optedIn ?? raw.opted_in),
    allowBroadcast: flagOf(raw.allowBroadcast ?? raw.allow_broadcast),
    contactStatus,
    created: raw.created,
    lastUpdated: raw.lastUpdated ?? raw.last_updated,
  };
}
