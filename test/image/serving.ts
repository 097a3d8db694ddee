import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createCaller } from '../../bench/open-load.ts';
import { callerEntry } from '../../src/callers.ts';
import { freePorts, podman, start, untilReady } from './podman.ts';

/** `ATTACK_SECONDS=30 .ci/image`, on a machine that does nothing else: how long each attack goes on. Otherwise shorter, with slack. */
const given = process.env.ATTACK_SECONDS;
export const attackMs = Number(given ?? 8) * 1_000;
export const p99Max = given === undefined ? 2_500 : 500;

export const attackerKey = 'key-of-the-attacker-in-the-image';
export const otherKey = 'key-of-another-caller-in-the-image';

/** The image as `serve` in 256 MB, in front of an upstream of the test, with an attacker and another caller. */
export interface Attacked {
  readonly url: string;
  /** SIGKILL, and up again with the same records; milliseconds until it answers. */
  restart(): Promise<number>;
  remove(): Promise<void>;
}

interface Upstream {
  readonly key: string;
  readonly gatewayUrl: string;
  readonly controlUrl: string;
  readonly connection: string;
}

export async function serveAttacked(
  name: string,
  upstream: Upstream,
  own: Record<string, string> = {},
): Promise<Attacked> {
  const folder = mkdtempSync(join(tmpdir(), 'wati-bff-attacked-'));
  // The container's user is unknown on this machine, so the files it reads are readable by all.
  chmodSync(folder, 0o755);
  writeFileSync(join(folder, 'maton_api_key'), upstream.key);
  writeFileSync(
    join(folder, 'clients.json'),
    JSON.stringify([
      callerEntry('attacker', attackerKey, {
        scopes: ['contacts:read', 'conversations:read', 'templates:read', 'messages:send'],
      }),
      callerEntry('other', otherKey, { scopes: ['messages:send', 'messages:read'] }),
    ]),
  );
  const port = await freePorts();
  const url = `http://127.0.0.1:${port}`;
  const settings = {
    HOST: '127.0.0.1',
    PORT: String(port),
    MATON_API_KEY_FILE: '/run/secrets/maton_api_key',
    CLIENTS_FILE: '/run/secrets/clients.json',
    MATON_GATEWAY_URL: upstream.gatewayUrl,
    MATON_CONTROL_URL: upstream.controlUrl,
    MATON_CONNECTION_ID: upstream.connection,
    MATON_RATE_PER_SECOND: '100000',
    WATI_PLAN: 'none',
    LOG_LEVEL: 'warn',
    ...own,
  };
  // Plain http to Maton is taken on loopback only, so the container shares this machine's.
  await start(name, [
    '--network=host',
    ...Object.entries(settings).flatMap(([setting, value]) => ['--env', `${setting}=${value}`]),
    `--volume=${folder}:/run/secrets:ro`,
    `--volume=${name}:/data`,
  ]);
  await untilReady(`${url}/health/live`);
  return {
    url,
    restart: async () => {
      await podman('kill', name);
      await podman('wait', name);
      await podman('start', name);
      // Ready it is only once Maton takes its key.
      return untilReady(`${url}/health/live`);
    },
    remove: async () => {
      await podman('rm', '--force', '--time', '0', '--volumes', name);
      await podman('volume', 'rm', '--force', name);
      rmSync(folder, { recursive: true });
    },
  };
}

export const callerOf = (url: string, key: string) => createCaller(url, key);

/** A text to one of many recipients, which distinguishes it from all others. */
export const textTo = (to: string, headers: Record<string, string> = {}) => ({
  headers: { 'content-type': 'application/json', ...headers },
  body: JSON.stringify({ to, text: 'Your parcel is on its way.' }),
});

/** `count` lanes, each asking again when the last one was answered, until the time is over. */
export async function inLanes(count: number, deadline: number, one: () => Promise<void>): Promise<void> {
  const lane = async () => {
    while (performance.now() < deadline) await one();
  };
  await Promise.all(Array.from({ length: count }, lane));
}
