import { type Connection, type ConnectionSeed, newConnection } from './connections.ts';
import { type Contact, type ContactSeed, newContact } from './contacts.ts';
import type { Ids } from './ids.ts';
import type { Plan } from './limits.ts';
import { addRow, type HistoryRow, inboundRow } from './messages.ts';
import { seed } from './seed.ts';
import type { Template } from './templates.ts';

/** What no source settles, or what differs between tenants: each with the reading that is CONFIRMED or SEEN as default. */
export interface Settings {
  /** `revoked`: WATI answers 401 with an empty body although the Maton key is fine. */
  watiToken: 'ok' | 'revoked';
  /** `revoked`: Maton refuses the key on both hosts. */
  matonKey: 'ok' | 'revoked';
  /** Maton publishes no error schema: the shape of its own errors. */
  matonErrors: 'error' | 'message' | 'detail' | 'text' | 'empty' | 'html';
  /** `Retry-After` of Maton's 429; none is documented. */
  retryAfter: string | undefined;
  /** The docs also allow `text/plain; charset=utf-8` on WATI's JSON. */
  contentType: string;
  /** Session text in a form body, as the first skill page shows it. */
  lenientForm: boolean;
  mediaByApi: boolean;
  /** Some tenants send a file as a text message and call that success. */
  mediaAsText: boolean;
  missingMedia: 404 | 200;
  /** Success of a send as `{"result":true}` and nothing else, as one tenant answers. */
  bareResults: boolean;
  /** Status of the "typos or blank text" refusal: 200 on most tenants, 400 on one. */
  templateRefusalStatus: 200 | 400;
  /** Newer docs require `channel_number` in the v2 bulk call. */
  channelNumberRequired: boolean;
  /** The number of the first page. */
  pageBase: 0 | 1;
  /** Whether the gateway reaches WATI's newer API; where its address has the tenant in it, everything there is a 404. */
  v3: boolean;
  /** The n-th look at a PENDING connection sees its end state. */
  pollsUntilSettled: number;
  connectionOutcome: 'ACTIVE' | 'FAILED';
  /** WATI's own limits per 10 s; off by default, so that a test of something else is not slowed. */
  plan: Plan;
  /** Recipients whose last four digits make the sandbox misbehave (docs/sandbox.md). */
  magic: boolean;
}

export interface StoredFile {
  readonly contentType: string;
  readonly bytes: Buffer;
}

export interface Tenant {
  /** By phone number, digits only, in the order of creation. */
  readonly contacts: Map<string, Contact>;
  /** By phone number, oldest first: what getMessages shows, the other way round. */
  readonly history: Map<string, HistoryRow[]>;
  readonly byLocalId: Map<string, HistoryRow>;
  readonly templates: Template[];
  readonly connections: Connection[];
  readonly files: Map<string, StoredFile>;
  /** E-mail addresses that a chat can be assigned to. */
  readonly operators: Set<string>;
  readonly settings: Settings;
  readonly ids: Ids;
  addConnection(seed?: ConnectionSeed): Connection;
  addContact(phone: string, seed?: ContactSeed): Contact;
  /** The customer writes: opens the 24 h window as of `at`. */
  receive(phone: string, text: string, at?: number): HistoryRow;
  reset(): void;
}

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

/** One object for the life of the simulator: `reset` empties and seeds it in place, so that a test may hold on to it. */
export function createTenant(now: () => number, ids: Ids, given: Partial<Settings> = {}): Tenant {
  const first: Settings = { ...defaults, ...given };
  const tenant: Tenant = {
    contacts: new Map(),
    history: new Map(),
    byLocalId: new Map(),
    templates: [],
    connections: [],
    files: new Map(),
    operators: new Set(),
    settings: { ...first },
    ids,
    addConnection(seed = {}) {
      const connection = newConnection(seed, now(), ids);
      tenant.connections.push(connection);
      return connection;
    },
    addContact(phone, seed = {}) {
      const contact = newContact(phone, seed, now(), ids);
      tenant.contacts.set(phone, contact);
      return contact;
    },
    receive(phone, text, at = now()) {
      const contact = tenant.contacts.get(phone) ?? tenant.addContact(phone);
      return addRow(tenant, contact, inboundRow(ids, contact, text, at));
    },
    reset() {
      tenant.contacts.clear();
      tenant.history.clear();
      tenant.byLocalId.clear();
      tenant.templates.length = 0;
      tenant.connections.length = 0;
      tenant.files.clear();
      tenant.operators.clear();
      Object.assign(tenant.settings, first);
      seed(tenant, now());
    },
  };
  tenant.reset();
  return tenant;
}
