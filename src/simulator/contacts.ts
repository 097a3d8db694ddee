import { type Answer, type Call, noContact, ok, one, refusal } from './call.ts';
import type { Ids } from './ids.ts';
import { pageOf } from './paging.ts';
import {
  AddContactBody,
  type AttributeFilter,
  readAttributeFilters,
  UpdateAttributesBody,
} from './schemas/contacts.ts';
import type { Contact, ContactSeed, Tenant } from './state.ts';

export function newContact(phone: string, seed: ContactSeed, { now, ids }: { now: number; ids: Ids }): Contact {
  return {
    id: seed.id ?? ids.bytes('contact', 12).toString('hex'),
    phone,
    name: seed.name ?? phone,
    createdAt: seed.createdAt ?? now,
    updatedAt: seed.createdAt ?? now,
    attributes: new Map(Object.entries(seed.attributes ?? {})),
    optedIn: !seed.optedOut,
    allowBroadcast: !seed.optedOut,
    status: seed.status ?? 'VALID',
    ...(seed.bsuid === undefined ? {} : { bsuid: seed.bsuid }),
    ticketStatus: 'OPEN',
  };
}

/** A target is a phone number, a contact id or a BSUID. */
export function findContact(tenant: Tenant, target: string): Contact | undefined {
  const byPhone = tenant.contacts.get(target);
  if (byPhone || /^[0-9]{7,15}$/.test(target)) return byPhone;
  return [...tenant.contacts.values()].find((each) => each.id === target || each.bsuid === target);
}

export function getContacts(call: Call, tenant: Tenant): Answer {
  const name = one(call.query, 'name')?.toLowerCase();
  const since = parseDay(one(call.query, 'createdDate'));
  const filters = readAttributeFilters(one(call.query, 'attribute'));
  const found = [...tenant.contacts.values()].filter(
    (each) =>
      // `name` also matches the number.
      (name === undefined || each.name.toLowerCase().includes(name) || each.phone.includes(name)) &&
      (since === undefined || each.createdAt >= since) &&
      filters.every((filter) => passes(filter, attributesOf(each))),
  );
  const page = pageOf(found, call.query, { base: tenant.settings.pageBase, path: '/api/v1/getContacts' });
  return ok({ result: 'success', contact_list: page.items.map(contactToWire), link: page.link });
}

/** In the newer API's spelling. */
export function getContactV3(call: Call, tenant: Tenant): Answer {
  const contact = tenant.settings.v3 ? findContact(tenant, call.params.target ?? '') : undefined;
  if (!contact) return { status: 404, body: { code: 'NotFound', message: 'Contact not found' }, acted: false };
  return ok({
    id: contact.id,
    wa_id: contact.phone,
    name: contact.name,
    phone: contact.phone,
    created: new Date(contact.createdAt).toISOString(),
    last_updated: new Date(contact.updatedAt).toISOString(),
    contact_status: contact.status,
    opted_in: contact.optedIn,
    allow_broadcast: contact.allowBroadcast,
    custom_params: [...attributesOf(contact)].map(([name, value]) => ({ name, value })),
    bsuid: contact.bsuid ?? null,
    parentBsuid: null,
  });
}

export function addContact(call: Call, tenant: Tenant): Answer {
  const phone = call.params.target ?? '';
  if (tenant.contacts.has(phone)) return refusal({ info: 'Contact with this phone number already exists' });
  const body = AddContactBody.Check(call.json) ? call.json : {};
  const contact = tenant.addContact(phone, { name: body.name ?? phone });
  for (const { name, value } of body.customParams ?? []) setAttribute(contact, name, value);
  return ok({ result: true, contact: contactToWire(contact) });
}

export function updateContactAttributes(call: Call, tenant: Tenant): Answer {
  const contact = findContact(tenant, call.params.target ?? '');
  if (!contact) return noContact();
  const body = UpdateAttributesBody.Check(call.json) ? call.json : { customParams: [] };
  for (const { name, value } of body.customParams) setAttribute(contact, name, value);
  contact.updatedAt = call.now;
  return ok({ result: true });
}

/** A contact with the names and date formats of real accounts: `created` in words, `lastUpdated` in ISO. */
export function contactToWire(contact: Contact): Record<string, unknown> {
  return {
    id: contact.id,
    wAid: contact.phone,
    firstName: contact.name.split(' ')[0],
    fullName: contact.name,
    phone: contact.phone,
    source: null,
    contactStatus: contact.status,
    photo: null,
    created: dayInWords(contact.createdAt),
    customParams: [...attributesOf(contact)].map(([name, value]) => ({ name, value })),
    optedIn: contact.optedIn,
    isDeleted: false,
    lastUpdated: new Date(contact.updatedAt).toISOString(),
    allowBroadcast: contact.allowBroadcast,
    allowSMS: true,
    teamIds: [],
    isInFlow: false,
    lastFlowId: null,
    currentFlowNodeId: null,
    selectedHubspotId: null,
    ...(contact.bsuid === undefined ? {} : { bsuid: contact.bsuid, username: usernameOf(contact) }),
  };
}

/** Derived from the name; without one, the end of the number. */
export function usernameOf({ name }: Contact): string {
  return /^\d+$/.test(name) ? `@customer.${name.slice(-4)}` : `@${name.toLowerCase().replaceAll(/[^a-z0-9]/g, '.')}`;
}

function setAttribute(contact: Contact, name: string, value: string): void {
  contact.attributes.set(name, value);
}

/** The automatic entries first. An own attribute of the same name wins, which is how a renamed contact appears. */
function attributesOf(contact: Contact): Map<string, string> {
  return new Map([['name', contact.name], ['phone', contact.phone], ['language', 'en'], ...contact.attributes]);
}

function passes(filter: AttributeFilter, attributes: ReadonlyMap<string, string>): boolean {
  const has = attributes.get(filter.name);
  const wanted = filter.value ?? '';
  switch (filter.operator) {
    case 'contain':
      return has?.includes(wanted) ?? false;
    case 'notContain':
      return !has?.includes(wanted);
    case '==':
      return has === wanted;
    case '!=':
      return has !== wanted;
    case 'exist':
      return has !== undefined;
    case 'notExist':
      return has === undefined;
    // Rules for values are not documented; a GUESS: not blank.
    case 'valid':
      return (has ?? '').trim() !== '';
    case 'invalid':
      return (has ?? '').trim() === '';
  }
}

/** `May-14-2024` */
function dayInWords(at: number): string {
  const date = new Date(at);
  const month = date.toLocaleString('en-US', { month: 'short', timeZone: 'UTC' });
  return `${month}-${String(date.getUTCDate()).padStart(2, '0')}-${date.getUTCFullYear()}`;
}

/** `YYYY-MM-DD` or `MM-DD-YYYY`; that it means "since" and not "on" is a GUESS. */
function parseDay(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const iso = /^\d{4}-/.test(text) ? text : `${text.slice(6)}-${text.slice(0, 5)}`;
  return Date.parse(`${iso}T00:00:00Z`);
}
