import { readFileSync } from 'node:fs';
import { Ajv, type ErrorObject } from 'ajv';
import { type Static, Type } from 'typebox';
import { intakeFaults, intakeSettings } from './intake/settings.ts';
import { isLoopback } from './loopback.ts';
import { fitsHeader, keyLengthMin } from './maton-key.ts';
import { type NativePath, readNativePaths } from './native-paths.ts';
import { countriesFault } from './recipients/countries.ts';
import { faultInWords } from './schema-words.ts';
import { dangerousOptions, unknownSettings } from './setting-names.ts';
import { readStoreTls, type StoreTls } from './store-tls.ts';

const ms = (description: string, fallback: number, minimum = 1) =>
  Type.Integer({ description, default: fallback, minimum, maximum: 3_600_000 });

/** WATI documents no limit of receivers for one call; a thousand is a cautious one of ours. */
const groupMax = (what: string, fallback: number) =>
  Type.Integer({
    description: `template messages in one call upstream: ${what}; a lost answer leaves all of them unknown`,
    default: fallback,
    minimum: 1,
    maximum: 1_000,
  });

/** The environment, one entry a setting. The descriptions are the table of docs/settings.md; a test holds the two together. */
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
  PUBLIC_URL: Type.Optional(
    Type.String({
      description:
        'where callers reach the service, such as `https://wati.example.com`: stands before the `type` of each problem; without it, the `Host` of the request does, by http',
      pattern: '^https?://[A-Za-z0-9.:[\\]-]{1,260}(/[A-Za-z0-9._~-]{1,64}){0,8}/?$',
      'x-form': 'an address such as https://wati.example.com, without a user, a query and a fragment',
    }),
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
  GROUP_SPLIT: Type.Enum(['on', 'off'], {
    description: '`off`: a group that WATI refuses with a 2xx is not tried again in halves, down to the one at fault',
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
  NATIVE_PATHS: Type.String({
    description:
      'native calls that are allowed: `GET /api/v1/chatbots,POST /api/v1/chatbots/start`; what sends, or changes webhooks or tokens, only behind the word `unsafe`: `unsafe POST /api/v1/sendSessionMessage/{number}`',
    default: '',
  }),
  ...intakeSettings,
  LOG_LEVEL: Type.Enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'], {
    description: 'pino level',
    default: 'info',
  }),
});

type Env = Static<typeof EnvSchema>;

export interface Config
  extends Readonly<
    Omit<
      Env,
      | 'MATON_API_KEY'
      | 'MATON_API_KEY_FILE'
      | 'STORE_URL_FILE'
      | 'STORE_TLS'
      | 'NATIVE_PATHS'
      | 'MATON_CONNECT_HOSTS'
      | 'DEFAULT_COUNTRIES'
    >
  > {
  readonly MATON_API_KEY: string;
  readonly STORE_TLS: StoreTls;
  readonly MATON_CONNECT_HOSTS: readonly string[];
  readonly NATIVE_PATHS: readonly NativePath[];
  readonly DEFAULT_COUNTRIES: readonly string[];
}

/** Everything that is wrong with the settings, in words that never quote a secret. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly faults: readonly string[];

  constructor(faults: readonly string[]) {
    super(`The settings have ${faults.length} fault${faults.length === 1 ? '' : 's'}:\n  - ${faults.join('\n  - ')}`);
    this.faults = faults;
  }
}

/** The environment's strings -> a frozen Config. Throws ConfigError with all faults at once. */
export function loadConfig(environment: Record<string, string | undefined>, execArgv: readonly string[] = []): Config {
  const faults: string[] = [];
  // An empty variable means "not set": compose files and Kubernetes hand those over for absent values.
  const data = Object.fromEntries(
    Object.entries(environment).filter(([, value]) => value !== undefined && value !== ''),
  );
  for (const name of ['MATON_API_KEY', 'STORE_URL']) readSecretFile(name, data, faults);
  const env = readEnv(data, faults);

  const key = checkKey(data, faults);
  for (const name of ['MATON_GATEWAY_URL', 'MATON_CONTROL_URL'] as const) {
    const value = env?.[name] ?? data[name];
    // Where another fault left no `env`, a variable that is not set has its default still, which is fine.
    const fault = value === undefined ? undefined : baseUrlFault(value);
    if (fault) faults.push(`${name} ${fault}`);
  }
  // Ajv reads `1e400` as Infinity and lets it past every limit; a timer of Infinity fires at once.
  for (const [name, value] of Object.entries(env ?? {})) {
    if (value === Number.POSITIVE_INFINITY) faults.push(`${name} must be a whole number`);
  }
  if (env && env.DRAIN_DELAY_MS >= env.SHUTDOWN_TIMEOUT_MS) {
    faults.push('DRAIN_DELAY_MS must be less than SHUTDOWN_TIMEOUT_MS: what is under way needs time to end');
  }
  const storeTls = env && readStoreTls({ url: env.STORE_URL, tls: env.STORE_TLS, pgHost: data.PGHOST }, faults);
  if (env) faults.push(...intakeFaults(env));
  const countries = splitList(env?.DEFAULT_COUNTRIES ?? '');
  const unknown = countriesFault(countries);
  if (unknown !== undefined) faults.push(`DEFAULT_COUNTRIES: ${unknown}`);
  const native = readNativePaths(data.NATIVE_PATHS ?? '', faults);
  if (data.NODE_DEBUG !== undefined) {
    faults.push('NODE_DEBUG makes Node print request headers, the Maton key among them; unset it');
  }
  for (const option of dangerousOptions((data.NODE_OPTIONS ?? '').split(' '))) {
    faults.push(`NODE_OPTIONS has ${option}, which opens the process or its traffic to others; unset it`);
  }
  for (const option of dangerousOptions(execArgv)) {
    faults.push(`node was started with ${option}, which opens the process or its traffic to others; leave it out`);
  }
  faults.push(...unknownSettings(Object.keys(data), Object.keys(EnvSchema.properties)));
  if (data.NODE_TLS_REJECT_UNAUTHORIZED === '0') {
    faults.push('NODE_TLS_REJECT_UNAUTHORIZED=0 would hand the Maton key to anyone in between; unset it');
  }

  if (faults.length > 0 || env === undefined || key === undefined || storeTls === undefined)
    throw new ConfigError(faults);
  const { MATON_API_KEY, MATON_API_KEY_FILE, STORE_URL_FILE, ...rest } = env;
  return Object.freeze({
    ...rest,
    MATON_API_KEY: key,
    STORE_TLS: storeTls,
    MATON_CONNECT_HOSTS: env.MATON_CONNECT_HOSTS.toLowerCase().split(','),
    NATIVE_PATHS: native,
    DEFAULT_COUNTRIES: countries,
  });
}

const splitList = (text: string): string[] =>
  text
    .split(',')
    .map((entry) => entry.trim())
    .filter(Boolean);

const isEnv = new Ajv({
  allErrors: true,
  coerceTypes: true,
  useDefaults: true,
  removeAdditional: true,
  meta: false,
  validateSchema: false,
  verbose: true,
})
  .addKeyword({ keyword: 'x-form', schemaType: 'string' })
  .compile<Env>({ ...EnvSchema, additionalProperties: false });

/** Text from the environment as what the schema says, the variables that it does not name left out. */
function readEnv(data: Record<string, string | undefined>, faults: string[]): Env | undefined {
  const env: unknown = { ...data };
  if (isEnv(env)) return env;
  for (const fault of isEnv.errors ?? []) faults.push(inWords(fault));
  return undefined;
}

/** The values are left out: one of them could be a secret pasted into the wrong variable. */
function inWords(fault: ErrorObject): string {
  if (fault.keyword === 'required') return `${String(fault.params.missingProperty)} is required and not set`;
  return `${fault.instancePath.slice(1)} ${faultInWords(fault)}`;
}

/** A secret stands in NAME, or in the file that NAME_FILE names: read here into NAME. */
function readSecretFile(name: string, data: Record<string, string | undefined>, faults: string[]): void {
  const file = data[`${name}_FILE`];
  if (file === undefined) return;
  if (data[name] !== undefined) {
    faults.push(`${name} and ${name}_FILE are both set; keep one`);
    return;
  }
  try {
    data[name] = readFileSync(file, 'utf8').trim();
    if (data[name] === '') faults.push(`${name}_FILE is empty`);
  } catch (error) {
    faults.push(`${name}_FILE cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown reason'})`);
  }
}

function checkKey(data: Record<string, string | undefined>, faults: string[]): string | undefined {
  const key = data.MATON_API_KEY;
  if (key === undefined && data.MATON_API_KEY_FILE === undefined) {
    faults.push(
      'MATON_API_KEY is required and not set (nor MATON_API_KEY_FILE). To try the service without a key: npm run sandbox',
    );
  }
  if (key && fitsHeader(key) && key.length < keyLengthMin)
    faults.push(`MATON_API_KEY is too short to be a key: it has fewer than ${keyLengthMin} characters`);
  if (key && !fitsHeader(key)) {
    faults.push(
      'MATON_API_KEY has a character that cannot stand in a header (a space, a line break, a non-ASCII letter)',
    );
  }
  return key;
}

/** Plain http would show the key to the network: it is for loopback only. */
function baseUrlFault(value: string): string | undefined {
  const url = URL.parse(value);
  if (!url) return 'is not a URL';
  if (url.username || url.password || url.search || url.hash) return 'must have no user, query or fragment';
  if (url.pathname !== '/') return 'must be a bare origin such as https://host, without a path';
  if (url.protocol === 'https:') return undefined;
  return url.protocol === 'http:' && isLoopback(url.hostname)
    ? undefined
    : 'must be https (plain http is taken on loopback only)';
}
