import { foreignPatterns } from '../lib/patterns.ts';
import { Problem } from '../problem.ts';
import { flagOf } from './answers/fields.ts';
import { reasonOf } from './answers/reason.ts';
import { noReason } from './answers/reported-errors.ts';
import { assertSuccess, type CallContext, type Client } from './client.ts';
import { readContact, type WatiContact } from './contact-answers.ts';
import { type ContactSearch, createContactSearch } from './contact-search.ts';
import type { JsonObject } from './tolerant-reader.ts';

type Attributes = Readonly<Record<string, string>>;

export interface Contacts extends ContactSearch {
  /** `exists`: WATI has the number already; nothing was changed. */
  add(
    context: CallContext,
    phone: string,
    given: { name: string | undefined; attributes: Attributes },
  ): Promise<WatiContact | 'exists' | undefined>;
  /** Throws `not-found` if there is no such contact. */
  update(context: CallContext, target: string, attributes: Attributes): Promise<WatiContact | undefined>;
}

export function createContacts(client: Client): Contacts {
  return {
    ...createContactSearch(client),
    add: async (context, phone, { name, attributes }) => {
      const json = { name: name ?? null, customParams: toParams(attributes) };
      const path = `/api/v1/addContact/${phone}`;
      const call = { operation: 'addContact', method: 'POST', path, json } as const;
      const body = await client.write(context, call).catch(existsOrThrow);
      // WATI's words decide, whatever flag or status comes with them.
      if (body === 'exists' || saysExists(reasonOf(body, ''))) return 'exists';
      assertSuccess(body);
      return readContact(body.contact);
    },
    update: async (context, target, attributes) => {
      const json = { customParams: toParams(attributes) };
      const path = `/api/v1/updateContactAttributes/${target}`;
      const body = await client.write(context, { operation: 'updateContactAttributes', method: 'POST', path, json });
      // A tenant answers a bare result:false if there is no such contact.
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

const isBareRefusal = (body: JsonObject) => flagOf(body.result) === false && reasonOf(body, '') === noReason;

const toParams = (attributes: Attributes) => Object.entries(attributes).map(([name, value]) => ({ name, value }));
