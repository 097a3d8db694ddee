import { newConnection } from './connections.ts';
import { newContact } from './contacts.ts';
import type { Ids } from './ids.ts';
import { addRow, inboundRow } from './messages.ts';
import { seed } from './seed.ts';
import type { Settings, Tenant } from './state.ts';

const defaults: Settings = {
  watiToken: 'ok',
  matonKey: 'ok',
  matonErrors: 'error',
  retryAfter: undefined,
  contentType: 'application/json; charset=utf-8',
  lenientForm: false,
  v3: true,
  mediaByApi: true,
  mediaAsText: false,
  missingMedia: 404,
  bareResults: false,
  templateRefusalStatus: 200,
  channelNumberRequired: false,
  pageBase: 1,
  pollsUntilSettled: 2,
  connectionOutcome: 'ACTIVE',
  plan: 'none',
  magic: true,
};

/** A single object for the life of the simulator: `reset` empties and seeds it in place, so that tests may keep a reference. */
export function createTenant(now: () => number, ids: Ids, given: Partial<Settings> = {}): Tenant {
  const first: Settings = { ...defaults, ...given };
  const tenant: Tenant = {
    contacts: new Map(),
    history: new Map(),
    byLocalId: new Map(),
    templates: [],
    connections: [],
    files: new Map(),
    sentPictures: [],
    operators: new Set(),
    settings: { ...first },
    ids,
    onSent: () => {},
    webhookEndpoints: () => [],
    addConnection(seed = {}) {
      const connection = newConnection(seed, now(), ids);
      tenant.connections.push(connection);
      return connection;
    },
    addContact(phone, seed = {}) {
      const contact = newContact(phone, seed, { now: now(), ids });
      tenant.contacts.set(phone, contact);
      return contact;
    },
    receive(phone, text, at = now()) {
      const contact = tenant.contacts.get(phone) ?? tenant.addContact(phone);
      return addRow(tenant, contact, inboundRow(ids, contact, { text, at }));
    },
    reset() {
      tenant.contacts.clear();
      tenant.history.clear();
      tenant.byLocalId.clear();
      tenant.templates.length = 0;
      tenant.connections.length = 0;
      tenant.files.clear();
      tenant.sentPictures.length = 0;
      tenant.operators.clear();
      Object.assign(tenant.settings, first);
      seed(tenant, now());
    },
  };
  tenant.reset();
  return tenant;
}
