import { hash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { FastifyBaseLogger } from 'fastify';
import { secureHeaders } from '../http/request-smuggling.ts';
import type { Finding } from '../lib/check-report.ts';
import { counted } from '../lib/counted.ts';
import { webhookAddress } from './address.ts';
import { createIntake, reasonOf } from './intake.ts';
import { parseTokens, type TokenEntry } from './token-entry.ts';
import { fixedTokens } from './tokens.ts';

interface IntakeConfig {
  INTAKE_HOST: string;
  /** The listener needs both settings. */
  INTAKE_PORT?: number;
  INTAKE_TOKENS_FILE?: string;
  INTAKE_PUBLIC_URL?: string;
  INTAKE_MAX_BYTES: number;
  INTAKE_IN_FLIGHT_MAX: number;
  INTAKE_WAIT_MS: number;
}

interface Means {
  /** `fetch`. */
  ask: (url: string, init: RequestInit) => Promise<Response>;
  /** Options of the listener that is opened for the probe. */
  logger: FastifyBaseLogger;
}

/** Time-out of a request through the public name: DNS, TLS and a proxy. */
const probeMs = 10_000;

/**
 * Checks the listener for webhooks: its file, its port, whether Maton knows the connections of its tokens (`known`; undefined:
 * the list could not be read), and the way through the public name, if one is set.
 */
export async function checkIntake(
  config: IntakeConfig,
  known: readonly string[] | undefined,
  means: Means,
): Promise<Finding> {
  const {
    INTAKE_TOKENS_FILE: path = '',
    INTAKE_HOST: host,
    INTAKE_PORT: port = 0,
    INTAKE_PUBLIC_URL: publicUrl,
  } = config;
  const read = entriesIn(path);
  if ('fault' in read) return read;
  const { entries } = read;
  const strangers = known && entries.filter(({ connectionId }) => !known.includes(connectionId));
  if (strangers && strangers.length > 0) {
    const names = strangers.map(({ name, connectionId }) => `${name} (${connectionId})`);
    return {
      fault: `Maton knows no connection of ${names.join(', ')}`,
      remedy: 'Its events would belong to no message. GET /v1/connections lists the ids: `npm run intake-token -- ID`.',
    };
  }
  const count = counted(entries.length, 'entry', 'entries');
  const nobody = entries.length === 0 ? '; nobody can post: `npm run intake-token -- CONNECTION_ID --add`' : '';
  const inUse = await isTaken(host, port);
  if (typeof inUse === 'string') {
    return {
      fault: `INTAKE_HOST ${host}: ${inUse}`,
      remedy: 'It must be an address of this machine, and the port one that this user may open.',
    };
  }
  const standing = inUse ? `port ${port} is in use, by a running service it seems` : `port ${port} is free`;
  const found =
    publicUrl === undefined ? undefined : await (inUse ? look(publicUrl, means) : probe(config, publicUrl, means));
  if (found && 'fault' in found) return found;
  const reachable = found ?? { fine: 'INTAKE_PUBLIC_URL is not set: the way from outside was not tried' };
  return { fine: [`${count} in ${path}${nobody}`, standing, reachable.fine].join('\n') };
}

/** The entries of the tokens file, or what is wrong with it. */
export function entriesIn(path: string): { entries: TokenEntry[] } | { fault: string; remedy: string } {
  try {
    return { entries: parseTokens(readFileSync(path, 'utf8')) };
  } catch (error) {
    const reason =
      error instanceof Error && 'code' in error ? String(error.code) : error instanceof Error ? error.message : '';
    return {
      fault: `${path}: ${reason}`,
      remedy:
        'INTAKE_TOKENS_FILE names a JSON list [...] of the entries that `intake-token` prints. Until it is mended, a running service keeps to the version it has.',
    };
  }
}

/** Whether a process listens on the port; a text: why no process can listen on it. */
async function isTaken(host: string, port: number): Promise<boolean | string> {
  const server = createServer();
  try {
    server.listen({ host, port });
    await once(server, 'listening');
    server.close();
    await once(server, 'close');
    return false;
  } catch (error) {
    const reason = reasonOf(error);
    return reason === 'EADDRINUSE' || reason;
  }
}

/** Opens the listener with a temporary token, posts an event to the public name, and checks that the event arrives. */
async function probe(config: IntakeConfig, publicUrl: string, means: Means): Promise<Finding> {
  const token = randomBytes(32).toString('base64url');
  let came = 0;
  const intake = await createIntake({
    config,
    tokens: fixedTokens([{ name: 'probe', tokenSha256: [hash('sha256', token)], connectionId: 'probe' }]),
    sink: {
      recordIntake: async (rows) => {
        came += rows.length;
        return { received: rows.length };
      },
    },
    logger: means.logger,
    count: () => {},
    onBadToken: () => {},
  });
  try {
    await intake.listen({ host: config.INTAKE_HOST, port: config.INTAKE_PORT ?? 0 });
    const answer = await ask(means, webhookAddress(publicUrl, token), {
      method: 'POST',
      body: '{"eventType":"probe"}',
    });
    if (typeof answer === 'string') return unreachable(answer);
    if (answer.status !== 200 || came === 0) {
      return unreachable(`${answer.status}, and ${came === 0 ? 'nothing came in here' : 'the event came in here'}`);
    }
    return (await exposed(publicUrl, means)) ?? { fine: `an event posted to ${publicUrl} came in here` };
  } finally {
    await intake.close();
  }
}

/** Recognizes a running listener by its answer to a wrong token. The valid tokens are known as hashes only. */
async function look(publicUrl: string, means: Means): Promise<Finding> {
  const answer = await ask(means, webhookAddress(publicUrl, 'probe'), { method: 'GET' });
  if (typeof answer === 'string') return unreachable(answer);
  const policy = answer.headers.get('content-security-policy');
  if (answer.status !== 404 || policy !== secureHeaders['content-security-policy']) {
    return unreachable(`${answer.status}, and not from the listener for webhooks`);
  }
  return (
    (await exposed(publicUrl, means)) ?? {
      fine: `the listener answers at ${publicUrl}; open an address in a browser: it says ok`,
    }
  );
}

/** Whether the public name leads to the callers' port too, which it must not. */
async function exposed(publicUrl: string, means: Means): Promise<Finding | undefined> {
  const answer = await ask(means, new URL('/health/live', publicUrl).href, { method: 'GET' });
  if (typeof answer === 'string' || answer.status !== 200) return undefined;
  return {
    fault: `${publicUrl} answers /health/live: it leads to the port of callers as well`,
    remedy: 'Lead the public name to INTAKE_PORT, with the path /wati alone.',
  };
}

const unreachable = (what: string): Finding => ({
  fault: `INTAKE_PUBLIC_URL does not lead here: ${what}`,
  remedy:
    'The public name must lead by TLS to INTAKE_PORT, with /wati/... as it came in (docs/operations.md, "Webhooks of WATI").',
});

/** The answer, or the error code. The message of an error is not shown, because it quotes the address with the token. */
async function ask(means: Means, url: string, init: RequestInit): Promise<Response | string> {
  try {
    return await means.ask(url, { ...init, redirect: 'manual', signal: AbortSignal.timeout(probeMs) });
  } catch (error) {
    return reasonOf(error);
  }
}
