import { Type } from '../lib/type.ts';
import { eventSettings } from './event-settings.ts';
import { intakeSettings } from './intake-settings.ts';
import { publicUrl } from './public-url.ts';
import { trackingSettings } from './tracking-settings.ts';
import { webhookSettings } from './webhook-settings.ts';

const ms = (description: string, fallback: number, minimum = 1) =>
  Type.Integer({ description, default: fallback, minimum, maximum: 3_600_000 });

/** WATI documents no limit of receivers for one call; a thousand is a cautious limit of our own. */
const batchSize = { minimum: 1, maximum: 1_000 } as const;
const groupMax = (what: string, fallback: number) =>
  Type.Integer({
    description: `template messages in one call upstream, at first: ${what}; a lost answer leaves all of them unknown`,
    default: fallback,
    ...batchSize,
  });

/** The environment, one entry per setting. The descriptions are the table in docs/settings.md; a test compares the two. */
export const EnvSchema = Type.Object({
  MATON_API_KEY: Type.Optional(Type.String({ description: 'the Maton key; required, here or by its file' })),
  MATON_API_KEY_FILE: Type.Optional(
    Type.String({ description: 'a file that holds the Maton key; a new one is taken without a restart' }),
  ),
  MATON_GATEWAY_URL: Type.String({
    description: 'data gateway; https, or http on loopback',
    default: 'https://gateway.maton.ai',
  }),
  MATON_CONTROL_URL: Type.String({
    description: 'connections API; same rule',
    default: 'https://ctrl.maton.ai',
  }),
  MATON_CONNECT_HOSTS: Type.String({
    description: 'hosts, with commas, to which a person may be sent to authorize an account; by https',
    default: 'connect.maton.ai',
    pattern: '^[A-Za-z0-9.-]{1,253}(:[0-9]{1,5})?(,[A-Za-z0-9.-]{1,253}(:[0-9]{1,5})?){0,9}$',
    'x-form': 'one to ten hosts with commas in between, each with or without a port',
  }),
  MATON_CONNECTION_ID: Type.Optional(
    Type.String({
      description: 'the connection of callers that name none',
      pattern: '^[!-~]{1,512}$',
      'x-form': 'the id of a connection',
    }),
  ),
  MATON_RATE_PER_SECOND: Type.Integer({
    description: "Maton's limit per account; from 100000 on there is none, for tests and benchmarks",
    default: 10,
    minimum: 1,
    maximum: 1_000_000,
  }),
  UPSTREAM_CALLS_PER_DAY: Type.Optional(
    Type.Integer({
      description:
        "a guard for WATI's monthly quota: calls to the gateway in a day (UTC), all replicas together; reads are refused at nine tenths; each process counts from its start",
      minimum: 1,
      maximum: 100_000_000,
    }),
  ),
  CONNECTIONS_CREATED_PER_HOUR: Type.Integer({
    description: 'connections that one caller may create in an hour, counted by each process',
    default: 10,
    minimum: 1,
    maximum: 1_000,
  }),
  WATI_PLAN: Type.Enum(['growth', 'pro', 'business', 'none'], {
    description: "WATI's own limits per group of routes; `none` for no such limit",
    default: 'growth',
  }),
  WATI_CHANNEL_NUMBER: Type.Optional(
    Type.String({
      description:
        'digits; which of your numbers requests go through that name none in `channel`; with it an unknown send is looked for by its own id',
      pattern: '^[1-9][0-9]{6,14}$',
      'x-form': '7 to 15 digits: a number with its country code, without + and blanks',
    }),
  ),
  CLIENTS_FILE: Type.String({ description: 'the JSON list of callers', minLength: 1 }),
  HOST: Type.String({ description: 'address to listen on', default: '127.0.0.1', minLength: 1 }),
  PORT: Type.Integer({
    description: 'port to listen on; 0 takes a free one',
    default: 3000,
    minimum: 0,
    maximum: 65535,
  }),
  PUBLIC_URL: publicUrl(
    'https://wati.example.com',
    'where callers reach the service, such as `https://wati.example.com`: stands before the `type` of each problem; without it, the `Host` of the request does, by http',
  ),
  CONNECTIONS_MAX: Type.Integer({
    description: 'connections of callers open at once; more are closed as they come',
    default: 4096,
    minimum: 1,
    maximum: 1_000_000,
  }),
  CONNECTIONS_PER_ADDRESS_PERCENT: Type.Integer({
    description: 'of these, how many one remote address may have; 100 where all callers come through one proxy',
    default: 75,
    minimum: 1,
    maximum: 100,
  }),
  KEYLESS_PER_SECOND: Type.Integer({
    description: 'requests a second that one remote address may make without a valid key, health aside; more are a 429',
    default: 50,
    minimum: 1,
    maximum: 1_000_000,
  }),
  ADMIN_PORT: Type.Optional(
    Type.Integer({
      description: 'port of a second listener for `/health/*` and `/metrics`, which needs no key; 0 takes a free one',
      minimum: 0,
      maximum: 65535,
    }),
  ),
  ADMIN_HOST: Type.String({
    description: 'address of that listener; never one that callers can reach',
    default: '127.0.0.1',
    minLength: 1,
  }),
  STORE_URL: Type.String({
    description: 'where sends are recorded: `file:<path>`, `postgres://...` for several replicas, `memory:` to try',
    default: 'file:data/wati-bff.db',
    pattern: '^(memory:|file:.+|postgres(ql)?://.+)$',
    'x-form': '`memory:`, `file:<path>` or `postgres://...`',
  }),
  STORE_URL_FILE: Type.Optional(Type.String({ description: 'a file that holds it, because it may hold a password' })),
  STORE_TLS: Type.Optional(
    Type.Enum(['require', 'off'], {
      description:
        'PostgreSQL: `require` is meant over a network, with a certificate that is verified; `off` sends records and password in plain text; on loopback and by a socket not needed',
    }),
  ),
  KEY_RETENTION_HOURS: Type.Integer({
    description: 'how long an Idempotency-Key is kept after the end of its send',
    default: 72,
    minimum: 24,
    maximum: 8760,
  }),
  UNKNOWN_RETENTION_DAYS: Type.Integer({
    description: 'the same where the outcome stayed unknown',
    default: 30,
    minimum: 1,
    maximum: 365,
  }),
  RECORD_RETENTION_DAYS: Type.Integer({
    description: 'how long a record is kept after the end of its send',
    default: 90,
    minimum: 1,
    maximum: 3650,
  }),
  STORE_LEASE_MS: Type.Integer({
    description: 'PostgreSQL: a replica that says nothing for so long is believed dead',
    default: 15_000,
    minimum: 1_000,
    maximum: 600_000,
  }),
  SEND_WAIT_MS: ms('how long the answer to a send waits for its outcome, what is looked up before included', 15_000),
  UPSTREAM_TIMEOUT_MS: ms(
    'total deadline of one JSON call upstream, and of all calls of one request but a send',
    20_000,
  ),
  UPLOAD_TIMEOUT_MS: ms('deadline of one streamed call upstream; an upload has a second more for each 64 KB', 120_000),
  UPLOAD_MAX_BYTES: Type.Integer({
    description: 'per file; the limits of WhatsApp by kind hold as well',
    default: 104_857_600,
    minimum: 1,
    maximum: 1_073_741_824,
  }),
  UPLOADS_MAX: Type.Integer({
    description: 'uploads open at once, of all callers; one has a quarter at most while others ask, half when alone',
    default: 64,
    minimum: 1,
    maximum: 10_000,
  }),
  UPLOAD_MIN_BYTES_PER_SECOND: Type.Integer({
    description: 'a slower caller is cut off, after ten seconds of grace',
    default: 16_384,
    minimum: 1,
  }),
  UPLOAD_FRAMING: Type.Enum(['auto', 'length', 'chunked'], {
    description: 'what WATI gets: `Content-Length` where the caller sent one (`auto`), always, or never',
    default: 'auto',
  }),
  DEFAULT_COUNTRIES: Type.String({
    description:
      'the `countries` of callers that name none: ISO codes such as `US,CA`; a number of another country is a 400. Empty: all',
    default: '',
  }),
  CSV_MAX_ROWS: Type.Integer({ description: 'rows of a CSV that streams to WATI', default: 10_000, minimum: 1 }),
  IMPORT_MAX_ROWS: Type.Integer({ description: 'rows of a CSV that is imported', default: 1_000_000, minimum: 1 }),
  CSV_MAX_CELL_BYTES: Type.Integer({ description: 'bytes of one cell', default: 4096, minimum: 1, maximum: 65_536 }),
  GROUP_MAX_URGENT: groupMax('urgent sends', 50),
  GROUP_MAX_INTERACTIVE: groupMax('single sends', 200),
  GROUP_MAX_BROADCAST: groupMax('recipients of a broadcast', 200),
  GROUP_GROWS_TO: Type.Optional(
    Type.Integer({
      description:
        'how many one call may carry after clean answers, and how many at most. Unset: 1000, but no more than a `GROUP_MAX_…` that is set',
      ...batchSize,
    }),
  ),
  GROUP_SPLIT: Type.Enum(['on', 'off'], {
    description: '`off`: a batch that WATI refuses with a 2xx is not tried again in halves, down to the one at fault',
    default: 'on',
  }),
  TEXT_URL_MAX_BYTES: Type.Integer({
    description: 'WATI takes texts in the URL; a longer URL is refused with a 400 that says how much of the text fits',
    default: 8192,
    minimum: 1024,
    maximum: 65536,
  }),
  TEMPLATE_CACHE_MS: ms('how long a list of templates is trusted', 60_000, 0),
  DRAIN_DELAY_MS: ms('SIGTERM: not ready at once, but still served for so long', 5_000, 0),
  SHUTDOWN_TIMEOUT_MS: ms('SIGTERM: all ends within this time; longer than the delay', 25_000),
  DOCS: Type.Enum(['on', 'key', 'off'], {
    description:
      "`/docs` and `/openapi.*`: for everybody, for who has a caller's key (a browser asks for it as the password), or not at all",
    default: 'on',
  }),
  CONSOLE: Type.Enum(['on', 'off'], {
    description:
      "whether `/console`, the page for operators and support, exists (`on` or `off`); it shows nothing without a caller's key",
    default: 'on',
  }),
  NATIVE_PATHS: Type.String({
    description:
      'native calls that are allowed: `GET /api/v1/chatbots,POST /api/v1/chatbots/start`; what sends, or changes webhooks or tokens, only behind the word `unsafe`: `unsafe POST /api/v1/sendSessionMessage/{number}`',
    default: '',
  }),
  ...intakeSettings,
  ...trackingSettings,
  ...eventSettings,
  ...webhookSettings,
  LOG_LEVEL: Type.Enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'], {
    description: 'pino level',
    default: 'info',
  }),
});
