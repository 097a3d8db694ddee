import { Problem } from '../problem.ts';
import { type CallContext, type Client, unrecognizedResponse } from './client.ts';
import { type ContactList, contactsIn, readContact, type WatiContact } from './contact-answers.ts';
import { asPageTooLong, inSmallerPages, pagesOf } from './pages.ts';
import { isObject, isoDate } from './tolerant-reader.ts';

export interface ContactFilter {
  pageNumber: number;
  pageSize: number;
  name?: string | undefined;
  createdDate?: string | undefined;
  attribute?: { name: string; operator: string; value?: string }[] | undefined;
}

/** Reads of contacts. */
export interface ContactSearch {
  list(context: CallContext, filter: ContactFilter): Promise<ContactList>;
  /**
   * The contact with exactly this number; if there are several, the one that changed last. Deleted contacts are ignored. WATI's
   * `name` filter also matches part of a number, so its list is filtered here.
   */
  find(context: CallContext, phone: string): Promise<WatiContact | undefined>;
  /** The contact with exactly this contact id or BSUID, unless it is deleted. */
  findById(context: CallContext, id: string): Promise<WatiContact | undefined>;
}

/** Page sizes. The second is used if contacts have so many attributes that a page of the first exceeds the limit of an answer. */
const findPageSizes = [100, 10] as const;

/**
 * The most pages that are searched; a number that is not in them counts as absent. A short number may be part of many others,
 * and its search must not use up the calls of other callers. A number of ten or more digits is part of few.
 */
const findPagesMax = (phone: string): number => (phone.length < 10 ? 2 : 5);

export function createContactSearch(client: Client): ContactSearch {
  const readPage: ContactSearch['list'] = async (context, { pageNumber, pageSize, name, createdDate, attribute }) => {
    const query = { pageNumber, pageSize, name, createdDate, attribute: attribute && JSON.stringify(attribute) };
    const body = await client.get(context, { operation: 'getContacts', path: '/api/v1/getContacts', query });
    if (!isObject(body)) throw unrecognizedResponse(200);
    return contactsIn(body);
  };

  /** Uses WATI's newer API; undefined if the gateway or the token does not reach it. */
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
      // The older API has no single contact. That its search finds ids is not documented, so only one page is requested.
      const { contacts } = await readPage(context, { pageNumber: 1, pageSize: findPageSizes[1], name: id });
      return lastChanged(contacts.filter(isMeant));
    },
  };
}

const keyOf = ({ id, wAid }: WatiContact): string => id ?? wAid ?? '';

function nothingIfAnswered(error: unknown): undefined {
  const told = error instanceof Problem && error.extras.upstream !== undefined;
  if (!told || ['upstream-unavailable', 'rate-limited', 'connection-unusable'].includes(error.slug)) throw error;
  return undefined;
}

/** Several contacts may have the same number. */
function lastChanged(contacts: readonly WatiContact[]): WatiContact | undefined {
  const changed = ({ lastUpdated, created }: WatiContact) => isoDate(lastUpdated) ?? isoDate(created) ?? '';
  return contacts.toSorted((one, other) =>
    changed(one) < changed(other) ? 1 : changed(one) > changed(other) ? -1 : 0,
  )[0];
}
