import { readFileSync } from 'node:fs';
import { pino } from 'pino';
import { type CallerEntry, keyIdOf, keysOf, lastMsOf } from '../callers/entry.ts';
import { parseCallers } from '../callers/parse.ts';
import { hasScope } from '../callers.ts';
import { type Config, ConfigError, loadConfig } from '../config.ts';
import { keptConnection } from '../connections/connection-pin.ts';
import { checkIntake } from '../intake/check-intake.ts';
import { checkSubscription } from '../intake/check-subscription.ts';
import { createReport, type Finding } from '../lib/check-report.ts';
import { counted } from '../lib/counted.ts';
import { Problem } from '../problem.ts';
import { openStore, type Store } from '../store/open.ts';
import type { StoredEndpoint } from '../store/webhook-endpoint-store.ts';
import type { MatonConnection } from '../upstream/connections.ts';
import { openDispatchers } from '../upstream/dispatchers.ts';
import { createUpstream, type Upstream } from '../upstream/upstream.ts';
import { listWebhookEndpoints } from '../upstream/webhook-endpoints.ts';
import { withoutEvents } from './check-event-callers.ts';
import { readEndpoints, webhookSteps } from './check-webhook-steps.ts';

/**
 * `npm run check`: checks what the service needs, with the same settings, and says in plain words what is wrong. It reads, and
 * opens the store as a start would; it sends no message, and a test to webhook endpoints with `--send` alone; it prints
 * no secret. Exit code 1: something is wrong.
 */
async function main(isSending: boolean): Promise<boolean> {
  const config = settings();
  const report = createReport({ faultOf, print: console.log, notify: console.error });
  await report.step('settings', () => ('faults' in config ? config.faults : { fine: 'no faults' }));
  if ('faults' in config) {
    const path = process.env.CLIENTS_FILE;
    if (path) await report.step('clients', () => callers(path));
    report.skip(['store', 'key', 'connection', 'gateway'], 'not tried before the settings are right');
    return report.allFine();
  }
  await report.step('clients', () => callers(config.CLIENTS_FILE, config));
  let kept: string | undefined;
  let endpoints: StoredEndpoint[] | undefined;
  await report.step('store', () =>
    store(config, async (opened) => {
      kept = await keptConnection(opened);
      // The faults of the callers file are reported by a step of their own.
      endpoints = await readEndpoints(opened, config.CLIENTS_FILE).catch(() => undefined);
    }),
  );

  const dispatchers = openDispatchers(config.MATON_GATEWAY_URL, config.MATON_CONTROL_URL);
  const upstream = createUpstream(config, {
    key: () => config.MATON_API_KEY,
    dispatchers,
    onAttempt: () => {},
    replicas: false,
  });
  let known: MatonConnection[] = [];
  let usable: string[] = [];
  const answered = await report.step('key', async () => {
    known = await upstream.connections.list({});
    return { fine: 'Maton takes the key' };
  });
  if (answered) {
    const chosen = choice(known, config, kept);
    usable = chosen.usable;
    await report.step('connection', () => chosen.finding);
    for (const id of usable) await report.step('gateway', () => gateway(upstream, id));
    if (usable.length === 0) report.skip(['gateway'], 'not tried without a connection');
  } else report.skip(['connection', 'gateway'], 'not tried without an answer of Maton');
  if (config.INTAKE_PORT !== undefined) {
    const ids = answered ? known.map(({ id }) => id) : undefined;
    const means = { ask: fetch, logger: pino({ level: 'silent' }) };
    const hasFile = await report.step('intake', () => checkIntake(config, ids, means));
    for (const connection of hasFile ? usable : []) {
      const list = () => listWebhookEndpoints(upstream.client, { connection });
      await report.step('subscription', () => checkSubscription(config, connection, list));
    }
  }
  await dispatchers.close();
  await webhookSteps(report, config, { endpoints, isSending });
  return report.allFine();
}

function settings(): Config | { faults: Finding } {
  try {
    return loadConfig(process.env);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const fault = error.faults.length === 1 ? String(error.faults[0]) : `- ${error.faults.join('\n- ')}`;
    return { faults: { fault, remedy: 'docs/settings.md lists every setting, with its default.' } };
  }
}

function callers(path: string, config?: Config): Finding {
  const remedy =
    'CLIENTS_FILE names a JSON list [...] of the entries that `client-key` prints. Until it is mended, a running service keeps to the version it has, with every key in it.';
  try {
    const entries = parseCallers(readFileSync(path, 'utf8'));
    const count = entries.length;
    if (count === 0) return { fault: `${path} is an empty list: nobody can call`, remedy };
    return {
      fine: [
        `${counted(count, 'caller')} in ${path}`,
        ...expired(entries, Date.now()),
        ...(config ? withoutEvents(entries, config) : []),
      ].join('\n'),
    };
  } catch (error) {
    return { fault: `${path}: ${codeOf(error) ?? reasonOf(error)}`, remedy };
  }
}

/** Expired keys are no fault of the file, but they explain why a caller is refused. */
function expired(entries: readonly CallerEntry[], nowMs: number): string[] {
  const ids = entries.flatMap((entry) =>
    keysOf(entry)
      .filter(({ notAfter }) => notAfter !== undefined && nowMs > lastMsOf(notAfter))
      .map(({ sha256 }) => `${entry.name} ${keyIdOf(sha256)}`),
  );
  return ids.length === 0 ? [] : [`expired, and refused: ${ids.join(', ')}`];
}

/** SQLite's code for a file that another process holds. */
const busy = 5;

async function store(config: Config, read: (opened: Store) => Promise<void>): Promise<Finding> {
  const { STORE_URL: url, STORE_LEASE_MS: leaseMs, STORE_TLS: tls } = config;
  const isPostgres = url.startsWith('postgres');
  // Nothing expires here: the store is closed again before it could.
  const forever = Number.MAX_SAFE_INTEGER;
  const kept = { keyRetentionMs: forever, unknownRetentionMs: forever, recordRetentionMs: forever };
  try {
    const opened = await openStore(url, { ...kept, leaseMs, tls });
    try {
      await opened.check();
      await read(opened);
    } finally {
      await opened.close();
    }
  } catch (error) {
    const cause = error instanceof Error ? error.cause : undefined;
    if (cause instanceof Error && 'errcode' in cause && cause.errcode === busy) {
      return {
        fine: `${url} is in use, by a running service it seems; it has the file to itself and was not disturbed`,
      };
    }
    const code = codeOf(error) ?? codeOf(cause);
    const fault = isPostgres ? `the database does not let us in (${code ?? 'no reason given'})` : reasonOf(error);
    const database = 'STORE_URL must name a PostgreSQL that runs, with a user who may create tables in the database.';
    const file = 'STORE_URL must name a file in a folder that this user may write to, on a disk with room.';
    return { fault, remedy: isPostgres ? database : file };
  }
  if (url === 'memory:') return { fine: 'in memory: every record is lost when the service ends' };
  return { fine: `${isPostgres ? 'the database' : url} can be written to` };
}

/** The connections that would be used: the only one, or, if there are several, those that each caller may choose from. */
function choice(
  known: MatonConnection[],
  { MATON_CONNECTION_ID: configured, CLIENTS_FILE: clients }: Config,
  kept: string | undefined,
): { usable: string[]; finding: Finding } {
  const active = known.filter(({ status }) => status === 'ACTIVE').map(({ id }) => id);
  const others = known.length - active.length;
  if (configured !== undefined) {
    const state = known.find(({ id }) => id === configured)?.status.toLowerCase();
    if (state === 'active') return { usable: [configured], finding: { fine: `${configured} is active` } };
    const fault = `${configured} (MATON_CONNECTION_ID) is ${state ?? 'not known to Maton'}`;
    const remedy = `${authorize} Or name another: ${active.join(', ') || 'none is active'}.`;
    return { usable: [], finding: { fault, remedy } };
  }
  const [only, ...more] = active;
  if (only === undefined) {
    const fault = others === 0 ? 'there is none' : `none is active; ${others} pending or failed`;
    return { usable: [], finding: { fault, remedy: authorize } };
  }
  if (more.length === 0 && kept !== undefined && kept !== only) {
    const fault = `${only} is the only active one, and ${kept} is the one that was used before: requests that name none are refused`;
    const remedy = `Find out whose account ${only} is. If it is yours: MATON_CONNECTION_ID=${only}`;
    return { usable: [only], finding: { fault, remedy } };
  }
  if (more.length === 0) {
    const connectors = connectingCallers(clients);
    const warning = `set MATON_CONNECTION_ID=${only}: ${connectors.join(', ')} may connect accounts (connections:write)`;
    const fine = [`${only} is the only active one`, ...(connectors.length === 0 ? [] : [warning])].join('\n');
    return { usable: [only], finding: { fine } };
  }
  const fine = `${active.length} are active: callers must name one (Maton-Connection), or set MATON_CONNECTION_ID`;
  return { usable: active, finding: { fine } };
}

/**
 * Callers that may connect an account, which would then be the only active one. None if the file cannot be read, which another
 * step reports.
 */
function connectingCallers(path: string): string[] {
  try {
    const entries = parseCallers(readFileSync(path, 'utf8'));
    return entries.filter((entry) => hasScope(entry, 'connections:write')).map(({ name }) => name);
  } catch {
    return [];
  }
}

const authorize = 'POST /v1/connections, open its authorizationUrl in a browser, and sign in to WATI.';

/** One cheap read that changes nothing. */
async function gateway(upstream: Upstream, connection: string): Promise<Finding> {
  const query = { pageSize: 1, pageNumber: 1 };
  const path = '/api/v1/getMessageTemplates';
  await upstream.client.get({ connection }, { operation: 'getMessageTemplates', path, query });
  return { fine: `WATI answers for ${connection}` };
}

/** The detail of a Problem is made for callers: it has no key and no host. For other errors only the code is shown. */
function faultOf(error: unknown): Finding {
  if (!(error instanceof Problem)) return { fault: codeOf(error) ?? 'an unforeseen fault', remedy: 'Report this.' };
  const unreachable = 'Look at the network, at a proxy in between, and at MATON_GATEWAY_URL and MATON_CONTROL_URL.';
  const remedies: Partial<Record<Problem['slug'], string>> = {
    'upstream-unauthorized': error.message.startsWith('Maton')
      ? "Copy the key again from Maton's settings into MATON_API_KEY, or into the file of MATON_API_KEY_FILE."
      : authorize,
    'upstream-unavailable': unreachable,
    'upstream-timeout': unreachable,
    'upstream-invalid': unreachable,
    'connection-unusable': authorize,
    'rate-limited': 'Try again in a minute: the calls that the account has are spent.',
  };
  // Operators can use the error code, which callers do not see.
  const code = codeOf(error.cause);
  const fault = code === undefined ? error.message : `${error.message} (${code})`;
  return { fault, remedy: remedies[error.slug] ?? 'Act on the reason that is given.' };
}

const codeOf = (error: unknown): string | undefined =>
  error instanceof Error && 'code' in error ? String(error.code) : undefined;

const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

const [option, ...others] = process.argv.slice(2);
if (others.length > 0 || (option !== undefined && option !== '--send')) {
  console.error('check takes --send (a signed test to each webhook endpoint), and nothing else');
  process.exitCode = 2;
} else process.exitCode = (await main(option === '--send')) ? 0 : 1;
