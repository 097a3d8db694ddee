import { oncePer } from '../once-per.ts';
import { foreignPatterns } from '../patterns.ts';
import { saidBy } from './answers/flags.ts';
import { reasonOf } from './answers/reason.ts';
import { assertSuccess, type CallContext, type Client, isUnknownContact, strange } from './client.ts';
import { bool, isObject, type JsonObject, num, paramPairs, str } from './lenient.ts';

/** WATI's contact in WATI's words, with the doubt taken out (upstream.md 3.1). Dates are still as WATI writes them. */
export interface WatiContact {
  id: string | undefined;
  wAid: string | undefined;
  name: string | undefined;
  /** Name, value, name, value: whoever wants them as a map makes the only one. */
  customParams: readonly string[];
  optedIn: boolean | undefined;
  allowBroadcast: boolean | undefined;
  contactStatus: string | undefined;
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
  total: number | undefined;
}

type Attributes = Readonly<Record<string, string>>;

export interface Contacts {
  list(context: CallContext, filter: ContactFilter): Promise<ContactList>;
  /** The contact with exactly this number. `name` also matches part of a number, so the list is narrowed here. */
  find(context: CallContext, phone: string): Promise<WatiContact | undefined>;
  /** `exists`: WATI has the number already, nothing was changed. */
  add(
    context: CallContext,
    phone: string,
    name: string | undefined,
    attributes: Attributes,
  ): Promise<WatiContact | 'exists' | undefined>;
  /** Throws `not-found` where there is no such contact. */
  update(context: CallContext, phone: string, attributes: Attributes): Promise<WatiContact | undefined>;
}

const findPageSize = 100;

/**
 * A short number may be part of many others; beyond these pages it is taken for absent. A number of ten digits and more is in few,
 * so its pages are no cost; a short one may not spend the calls of others.
 */
const findPagesMax = (phone: string): number => (phone.length < 10 ? 2 : 5);

export function createContacts(client: Client): Contacts {
  const listPage: Contacts['list'] = async (context, { pageNumber, pageSize, name, createdDate, attribute }) => {
    const query = { pageNumber, pageSize, name, createdDate, attribute: attribute && JSON.stringify(attribute) };
    const body = await client.get(context, { operation: 'getContacts', path: '/api/v1/getContacts', query });
    if (!isObject(body)) throw strange(200);
    return pageIn(body);
  };

  return {
    list: listPage,
    find: async (context, phone) => {
      for (let pageNumber = 1; pageNumber <= findPagesMax(phone); pageNumber++) {
        const { contacts, sent } = await listPage(context, { pageNumber, pageSize: findPageSize, name: phone });
        const match = contacts.find((contact) => contact.wAid === phone);
        if (match || sent < findPageSize) return match;
      }
      return undefined;
    },
    add: async (context, phone, name, attributes) => {
      const json = { name: name ?? null, customParams: toParams(attributes) };
      const body = await client.write(context, {
        operation: 'addContact',
        method: 'POST',
        path: `/api/v1/addContact/${phone}`,
        json,
      });
      if (saidBy(body) === 'no' && foreignPatterns.alreadyExists.pattern.test(reasonOf(body, ''))) return 'exists';
      assertSuccess(body);
      return readContact(body.contact);
    },
    update: async (context, phone, attributes) => {
      const json = { customParams: toParams(attributes) };
      const path = `/api/v1/updateContactAttributes/${phone}`;
      const body = await client.write(context, { operation: 'updateContactAttributes', method: 'POST', path, json });
      // A bare result:false is how a tenant says that there is no such contact (upstream.md 3.1).
      assertSuccess(isBareRefusal(body) ? { ...body, info: "Can't find Contact" } : body);
      return readContact(body.contact);
    },
  };
}

const isBareRefusal = (body: JsonObject) =>
  body.result === false && !isUnknownContact(reasonOf(body, '')) && reasonOf(body, '') === 'no reason was given';

const toParams = (attributes: Attributes) => Object.entries(attributes).map(([name, value]) => ({ name, value }));

/** A page of contacts, as those who share the answer share it. */
const pageIn = oncePer((body: JsonObject) => {
  if (!Array.isArray(body.contact_list)) throw strange(200);
  const total = isObject(body.link) ? num(body.link.total) : undefined;
  const contacts: WatiContact[] = [];
  for (const raw of body.contact_list) {
    const contact = readContact(raw);
    if (contact) contacts.push(contact);
  }
  return { contacts, sent: body.contact_list.length, total };
});

function readContact(raw: unknown): WatiContact | undefined {
  if (!isObject(raw)) return undefined;
  const id = str(raw.id);
  const wAid = (str(raw.wAid) ?? str(raw.phone))?.replace(/^\+/, '');
  if (id === undefined && wAid === undefined) return undefined;
  return {
    id,
    wAid,
    name: str(raw.fullName) ?? str(raw.firstName),
    customParams: paramPairs(raw.customParams),
    optedIn: bool(raw.optedIn),
    allowBroadcast: bool(raw.allowBroadcast),
    contactStatus: str(raw.contactStatus),
    created: raw.created,
    lastUpdated: raw.lastUpdated,
  };
}
