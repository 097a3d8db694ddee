import { readFileSync } from 'node:fs';
import { Ajv, type ErrorObject } from 'ajv';
import type { Static } from 'typebox';
import { counted } from './lib/counted.ts';
import { isLoopback } from './lib/loopback.ts';
import { countriesFault } from './recipients/countries.ts';
import { faultInWords } from './schemas/schema-errors.ts';
import { type BatchBounds, readBatchBounds } from './settings/batch-bounds.ts';
import { EnvSchema } from './settings/env-schema.ts';
import { intakeFaults } from './settings/intake-settings.ts';
import { fitsHeader, keyLengthMin } from './settings/maton-key.ts';
import { type NativePath, readNativePaths } from './settings/native-paths.ts';
import { dangerousOptions, unknownSettings } from './settings/setting-names.ts';
import { readStoreTls, type StoreTls } from './settings/store-tls.ts';
import { readSigningKeys } from './settings/webhook-settings.ts';
import { type AllowedHosts, readAllowedHosts } from './webhooks/allowed-hosts.ts';

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
      | 'EVENTS_SIGNING_KEY'
      | 'EVENTS_SIGNING_KEY_FILE'
      | 'WEBHOOK_ALLOWED_HOSTS'
      | 'GROUP_MAX_URGENT'
      | 'GROUP_MAX_INTERACTIVE'
      | 'GROUP_MAX_BROADCAST'
      | 'GROUP_GROWS_TO'
    >
  > {
  readonly MATON_API_KEY: string;
  readonly STORE_TLS: StoreTls;
  readonly MATON_CONNECT_HOSTS: readonly string[];
  readonly NATIVE_PATHS: readonly NativePath[];
  readonly DEFAULT_COUNTRIES: readonly string[];
  /** In base64, the one in use first; none: no webhooks. */
  readonly EVENTS_SIGNING_KEYS: readonly string[];
  readonly WEBHOOK_ALLOWED_HOSTS: AllowedHosts;
  readonly GROUP_BOUNDS: BatchBounds;
}

/** All faults of the settings, in words that never quote a secret. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly faults: readonly string[];

  constructor(faults: readonly string[]) {
    super(`The settings have ${counted(faults.length, 'fault')}:\n  - ${faults.join('\n  - ')}`);
    this.faults = faults;
  }
}

/** Parses the environment into a frozen Config. Throws ConfigError with all faults at once. */
export function loadConfig(environment: Record<string, string | undefined>, execArgv: readonly string[] = []): Config {
  const faults: string[] = [];
  // An empty variable means "not set": compose files and Kubernetes pass absent values like that.
  const data = Object.fromEntries(
    Object.entries(environment).filter(([, value]) => value !== undefined && value !== ''),
  );
  for (const name of ['MATON_API_KEY', 'STORE_URL', 'EVENTS_SIGNING_KEY']) readSecretFile(name, data, faults);
  const env = readEnv(data, faults);

  const key = checkKey(data, faults);
  for (const name of ['MATON_GATEWAY_URL', 'MATON_CONTROL_URL'] as const) {
    const value = env?.[name] ?? data[name];
    // If another fault left `env` undefined, the raw variable is checked. An unset one gets its default, which is valid.
    const fault = value === undefined ? undefined : baseUrlFault(value);
    if (fault) faults.push(`${name} ${fault}`);
  }
  if (env?.PUBLIC_URL !== undefined && !URL.canParse(env.PUBLIC_URL)) {
    faults.push('PUBLIC_URL is not a URL: look at its host and port');
  }
  // Ajv reads `1e400` as Infinity, which passes every limit, and a timer of Infinity fires at once.
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
  const signingKeys = readSigningKeys(data.EVENTS_SIGNING_KEY, faults);
  const { hosts, faults: hostFaults } = readAllowedHosts(data.WEBHOOK_ALLOWED_HOSTS ?? '');
  faults.push(...hostFaults);
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
  const { MATON_API_KEY, MATON_API_KEY_FILE, STORE_URL_FILE, EVENTS_SIGNING_KEY, EVENTS_SIGNING_KEY_FILE, ...rest } =
    env;
  return Object.freeze({
    ...rest,
    MATON_API_KEY: key,
    STORE_TLS: storeTls,
    MATON_CONNECT_HOSTS: env.MATON_CONNECT_HOSTS.toLowerCase().split(','),
    NATIVE_PATHS: native,
    DEFAULT_COUNTRIES: countries,
    EVENTS_SIGNING_KEYS: signingKeys,
    WEBHOOK_ALLOWED_HOSTS: hosts,
    GROUP_BOUNDS: readBatchBounds(env, (name) => data[name] !== undefined),
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
  code: { optimize: false }, // which takes longer than it saves: the environment is validated once
})
  .addKeyword({ keyword: 'x-form', schemaType: 'string' })
  .compile<Env>({ ...EnvSchema, additionalProperties: false });

/** Converts text from the environment to the types of the schema. Variables that the schema does not name are left out. */
function readEnv(data: Record<string, string | undefined>, faults: string[]): Env | undefined {
  const env: unknown = { ...data };
  if (isEnv(env)) return env;
  for (const fault of isEnv.errors ?? []) faults.push(inWords(fault));
  return undefined;
}

/** Values are not shown: one of them could be a secret that was pasted into the wrong variable. */
function inWords(fault: ErrorObject): string {
  if (fault.keyword === 'required') return `${String(fault.params.missingProperty)} is required and not set`;
  return `${fault.instancePath.slice(1)} ${faultInWords(fault)}`;
}

/** A secret is in NAME, or in the file that NAME_FILE names; the file is read here into NAME. */
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

/** Plain http would reveal the key on the network, so it is allowed on loopback only. */
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
