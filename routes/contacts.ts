import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { masked } from '../src/lib/masked.ts';
import { memoizeLast } from '../src/lib/memoize.ts';
import { Problem } from '../src/problem.ts';
import { isPhone } from '../src/recipients/recipient.ts';
import { digits } from '../src/schemas/common.ts';
import { Contact, ContactPage, ContactParams, ContactPatch, ContactPut, ContactQuery } from '../src/schemas/contact.ts';
import type { ContactList, WatiContact } from '../src/upstream/contact-answers.ts';
import type { Contacts } from '../src/upstream/contacts.ts';
import { isoDate } from '../src/upstream/tolerant-reader.ts';
import { toPage } from './page.ts';
import type { ResolveContext } from './request-context.ts';
import { serializeOnce } from './serialize-once.ts';
import type { TypedApp } from './typed-app.ts';

interface Services {
  contacts: Contacts;
  resolveContext: ResolveContext;
}

function listContacts(app: TypedApp, { contacts, resolveContext }: Services): void {
  app.get(
    '/v1/contacts',
    {
      config: { scope: 'contacts:read', connection: true },
      schema: {
        operationId: 'listContacts',
        tags: ['contacts'],
        summary: 'List contacts',
        description:
          'A page of the contacts that WATI knows; one that was deleted there and is still listed has `deleted: true`. A page beyond the end is empty. A page longer than 4 MiB is a 502 that says so: ask for a smaller `pageSize`.',
        querystring: ContactQuery,
        response: { 200: ContactPage },
      },
    },
    async (request, reply) => {
      const { page, pageSize, name, createdDate, attribute } = request.query;
      const found = await contacts.list(await resolveContext(request, reply), {
        pageNumber: page,
        pageSize,
        name,
        createdDate,
        attribute: attribute?.map(toFilter),
      });
      serializeOnce(reply);
      return pageOf(found, page, pageSize);
    },
  );
}

function getContact(app: TypedApp, { contacts, resolveContext }: Services): void {
  app.get(
    '/v1/contacts/:recipient',
    {
      config: { scope: 'contacts:read', connection: true, problems: ['not-found'] },
      schema: {
        operationId: 'getContact',
        tags: ['contacts'],
        summary: 'Read a contact',
        description:
          'The contact with exactly this number. One that was deleted is a 404; of several with this number it is the one that changed last. By a contact id or BSUID it is found where WATI lets it be.',
        params: ContactParams,
        response: { 200: Contact },
      },
    },
    async (request, reply) => {
      const recipient = digits(request.params.recipient);
      const context = await resolveContext(request, reply);
      if (isPhone(recipient)) {
        const found = await contacts.find(context, recipient);
        if (!found) throw new Problem('not-found', 'WATI knows no contact with this number');
        return toContact(found);
      }
      const found = await contacts.findById(context, recipient);
      const detail = 'WATI finds no contact with this id, or does not let contacts be found by ids; try the number';
      if (!found) throw new Problem('not-found', detail);
      return toContact(found);
    },
  );
}

function putContact(app: TypedApp, { contacts, resolveContext }: Services): void {
  app.put(
    '/v1/contacts/:recipient',
    {
      config: { scope: 'contacts:write', connection: true, problems: ['not-found'] },
      schema: {
        operationId: 'putContact',
        tags: ['contacts'],
        summary: 'Create or update a contact',
        description:
          'Creates the contact (201) or updates its attributes (200). By a contact id or BSUID one that exists is updated, and a 404 otherwise: WATI creates contacts from numbers alone. WATI cannot change the name of a contact that exists: it is then set as the attribute `name`. The answer to an update says what is known of the contact, not all that WATI holds.',
        params: ContactParams,
        body: ContactPut,
        response: { 200: Contact, 201: Contact },
      },
    },
    async (request, reply) => {
      const context = await resolveContext(request);
      const phone = digits(request.params.recipient);
      request.requestLog.to = masked(phone);
      const { name, attributes = {} } = request.body;
      // WATI creates contacts by number only: an id belongs to an existing contact.
      const added = isPhone(phone) ? await contacts.add(context, phone, { name, attributes }) : 'exists';
      if (added !== 'exists') return reply.code(201).send(added ? toContact(added) : asSent(phone, name, attributes));
      const changes = { ...attributes, ...(name !== undefined && { name }) };
      const updated = Object.keys(changes).length > 0 ? await contacts.update(context, phone, changes) : undefined;
      return updated ? toContact(updated) : asSent(phone, name, attributes);
    },
  );
}

function updateContact(app: TypedApp, { contacts, resolveContext }: Services): void {
  app.patch(
    '/v1/contacts/:recipient',
    {
      config: { scope: 'contacts:write', connection: true, problems: ['not-found'] },
      schema: {
        operationId: 'updateContact',
        tags: ['contacts'],
        summary: 'Update attributes of a contact',
        description: 'Sets the attributes named and leaves the others. The answer says what is known of the contact.',
        params: ContactParams,
        body: ContactPatch,
        response: { 200: Contact },
      },
    },
    async (request) => {
      const phone = digits(request.params.recipient);
      request.requestLog.to = masked(phone);
      const { attributes } = request.body;
      const updated = await contacts.update(await resolveContext(request), phone, attributes);
      return updated ? toContact(updated) : asSent(phone, undefined, attributes);
    },
  );
}

export const contacts: FastifyPluginAsyncTypebox<Services> = async (app, services) => {
  listContacts(app, services);
  getContact(app, services);
  putContact(app, services);
  updateContact(app, services);
};

/** The values that were just set, for a success of WATI without the contact. WATI accepts the number wherever it accepts an id. */
const asSent = (target: string, name: string | undefined, attributes: Record<string, string>): Contact => ({
  id: target,
  ...(isPhone(target) && { phone: target }),
  ...(name !== undefined && { name }),
  attributes,
});

/** `name:operator[:value]`, which the pattern of the schema has checked. A value may contain colons. */
function toFilter(text: string) {
  const [name = '', operator = '', ...rest] = text.split(':');
  return { name, operator, ...(rest.length > 0 && { value: rest.join(':') }) };
}

/** Entries that WATI adds by itself, not attributes of the customer. */
const automatic = new Set(['name', 'phone', 'language']);

const pageOf = memoizeLast(({ contacts, link }: ContactList, number: number, size: number) => ({
  data: contacts.map(toContact),
  page: toPage(link, number, size),
}));

function toContact(raw: WatiContact): Contact {
  const attributes: Record<string, string> = {};
  const { customParams } = raw;
  for (let at = 0; at < customParams.length; at += 2) {
    const name = customParams[at];
    if (name !== undefined && !automatic.has(name)) attributes[name] = customParams[at + 1] ?? '';
  }
  const contact: Contact = { id: raw.id ?? raw.wAid ?? '', attributes };
  if (raw.wAid !== undefined) contact.phone = raw.wAid;
  if (raw.name !== undefined) contact.name = raw.name;
  if (raw.optedIn !== undefined) contact.optedIn = raw.optedIn;
  if (raw.allowBroadcast !== undefined) contact.allowBroadcast = raw.allowBroadcast;
  if (raw.isDeleted) contact.deleted = true;
  if (raw.contactStatus !== undefined) contact.status = raw.contactStatus.toLowerCase();
  const createdAt = isoDate(raw.created);
  if (createdAt !== undefined) contact.createdAt = createdAt;
  const updatedAt = isoDate(raw.lastUpdated);
  if (updatedAt !== undefined) contact.updatedAt = updatedAt;
  return contact;
}
