import type { Ids } from './ids.ts';
import type { Plan } from './limits.ts';
import type { Shown } from './shown.ts';

export type ConnectionStatus = 'ACTIVE' | 'PENDING' | 'FAILED';

export interface Connection {
  readonly id: string;
  status: ConnectionStatus;
  app: string;
  method: string;
  createdAt: number;
  updatedAt: number;
  /** The stored WATI authorization has expired: the gateway answers 500. */
  expired: boolean;
  /** Reads of a PENDING connection so far. */
  polls: number;
}

export interface ConnectionSeed {
  readonly id?: string;
  readonly status?: ConnectionStatus;
  readonly expired?: boolean;
  readonly createdAt?: number;
}

export interface Contact {
  /** 24 hex digits. */
  readonly id: string;
  readonly phone: string;
  name: string;
  createdAt: number;
  updatedAt: number;
  /** Own attributes; the answer adds the automatic entries name, phone and language. */
  readonly attributes: Map<string, string>;
  optedIn: boolean;
  /** false: the customer opted out of broadcasts. */
  allowBroadcast: boolean;
  /** `INVALID`: not on WhatsApp. */
  status: 'VALID' | 'INVALID';
  bsuid?: string;
  ticketStatus: 'OPEN' | 'PENDING' | 'SOLVED' | 'BLOCK';
  /** undefined: the bot has the chat. */
  operator?: string;
}

export interface ContactSeed {
  readonly id?: string;
  readonly name?: string;
  readonly createdAt?: number;
  readonly attributes?: Readonly<Record<string, string>>;
  readonly optedOut?: boolean;
  readonly status?: 'VALID' | 'INVALID';
  readonly bsuid?: string;
}

/** A row of getMessages as it is answered; fields that tests change are named. */
export interface HistoryRow {
  readonly id: string;
  /** ISO. */
  created: string;
  eventType: string;
  /** true: the company's, false: the customer's, null: a system event. */
  owner: boolean | null;
  text: string | null;
  type: string | number | null;
  statusString: string | null;
  failedCode?: string | null;
  failedDetail?: string | null;
  localMessageId?: string | null;
  whatsappMessageId?: string | null;
  [field: string]: unknown;
}

/** A template as WATI lists it. */
export interface Template {
  readonly id: string;
  /** The name to send. */
  readonly elementName: string;
  category: string;
  /** In any case. Only an approved one can be sent. */
  status: string;
  /** Not in the order of the body, and with names that no text uses. */
  readonly customParams: readonly { readonly paramName: string; readonly paramValue: string }[];
  readonly language: { readonly key: string; readonly value: string; readonly text: string };
  readonly lastModified: string;
  readonly type: string;
  readonly header: Readonly<Record<string, unknown>> | null;
  /** With positional variables, always. */
  readonly body: string;
  /** As it was written: with names, or with positions. */
  readonly bodyOriginal: string;
  readonly footer: string | null;
  readonly buttons: readonly Readonly<Record<string, unknown>>[];
  readonly buttonsType: string;
  readonly [field: string]: unknown;
}

/** Buttons that the customer can tap, and the field in which WATI reports the tap. */
export interface Choices {
  readonly field: 'buttonReply' | 'interactiveButtonReply' | 'listReply';
  readonly labels: readonly string[];
}

/** Target of the tenant's webhooks, as WATI lists it. */
export interface WebhookEndpoint {
  readonly url: string;
  /** 0: disabled, 1: enabled, 2: defective. */
  readonly status: 0 | 1 | 2;
  readonly eventTypes: readonly string[];
  readonly failedIterationCount: number;
}

/** A message that the tenant accepted. */
export interface SentMessage {
  readonly row: HistoryRow;
  readonly contact: Contact;
  /** Set for a template send. */
  readonly template?: Template;
  /** The values of the template's variables. */
  readonly values?: ReadonlyMap<string, string>;
  /** The parts of a session message besides its text that the customer sees. */
  readonly shown?: Shown;
  readonly choices: Choices;
  /** The company number that it is sent through. */
  readonly channel: string | undefined;
}

/** Behaviour that no source settles, or that differs between tenants. Each default is a reading that is CONFIRMED or SEEN. */
export interface Settings {
  /** `revoked`: WATI answers 401 with an empty body although the Maton key is valid. */
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
  /** Some tenants send a file as a text message and report success. */
  mediaAsText: boolean;
  missingMedia: 404 | 200;
  /** A success of a send is `{"result":true}` and nothing else, as from one tenant. */
  bareResults: boolean;
  /** Status of the "typos or blank text" refusal: 200 on most tenants, 400 on one. */
  templateRefusalStatus: 200 | 400;
  /** Newer docs require `channel_number` in the v2 bulk call. */
  channelNumberRequired: boolean;
  /** The number of the first page. */
  pageBase: 0 | 1;
  /** Whether the gateway reaches WATI's newer API; if its address contains the tenant, all its paths are a 404. */
  v3: boolean;
  /** The n-th read of a PENDING connection gets the final state. */
  pollsUntilSettled: number;
  connectionOutcome: 'ACTIVE' | 'FAILED';
  /** WATI's own limits per 10 s; off by default, so that tests of other things are not slowed down. */
  plan: Plan;
  /** Recipients whose last four digits make the sandbox fail (docs/sandbox.md). */
  magic: boolean;
}

export interface StoredFile {
  readonly contentType: string;
  readonly bytes: Buffer;
}

export interface Tenant {
  /** By phone number, digits only, in the order of creation. */
  readonly contacts: Map<string, Contact>;
  /** By phone number, oldest first; getMessages returns the reverse. */
  readonly history: Map<string, HistoryRow[]>;
  readonly byLocalId: Map<string, HistoryRow>;
  readonly templates: Template[];
  readonly connections: Connection[];
  readonly files: Map<string, StoredFile>;
  /** The paths of pictures that were sent, oldest first. */
  readonly sentPictures: string[];
  /** E-mail addresses that a chat can be assigned to. */
  readonly operators: Set<string>;
  readonly settings: Settings;
  readonly ids: Ids;
  /** Called with each message that the tenant accepts. */
  onSent: (message: SentMessage) => void;
  /** Endpoints as WATI lists them; set by the part that posts webhooks. */
  webhookEndpoints: () => readonly WebhookEndpoint[];
  addConnection(seed?: ConnectionSeed): Connection;
  addContact(phone: string, seed?: ContactSeed): Contact;
  /** The customer writes, which opens the 24 h window at `at`. */
  receive(phone: string, text: string, at?: number): HistoryRow;
  reset(): void;
}
