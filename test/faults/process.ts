import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { callerEntry } from '../../src/callers.ts';
import type { Simulator } from '../../src/simulator/simulator.ts';
import type { EventReceiver } from '../crash/event-receiver.ts';
import { compileCache } from '../support/compile-cache.ts';
import { signingKey } from '../webhooks/samples.ts';
import { intakeAt } from './intake.ts';

export const callerKey = 'faults-key-0123456789';

/** The service in a process of its own, on a file that outlives it, or on an empty database. */
export async function createProcess(simulator: Simulator, receiver: EventReceiver, database?: string) {
  const directory = mkdtempSync(join(tmpdir(), 'wati-bff-faults-'));
  const clientsFile = join(directory, 'clients.json');
  writeFileSync(
    clientsFile,
    JSON.stringify([callerEntry('faults', callerKey, { scopes: ['*'], events: ['message.*'] })]),
  );
  const intake = await intakeAt(directory);
  simulator.webhooks.pointTo(intake.url);
  let running: ChildProcess | undefined;
  let address = Promise.withResolvers<string>();

  const end = async (signal: NodeJS.Signals) => {
    const child = running;
    if (!child) return;
    running = undefined;
    address = Promise.withResolvers<string>();
    const exit = once(child, 'exit');
    child.kill(signal);
    await exit;
  };

  const start = async () => {
    const child = spawn(process.execPath, [join(import.meta.dirname, '../../src/bin/server.ts')], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: {
        PATH: process.env.PATH,
        ...compileCache,
        MATON_API_KEY: simulator.key,
        MATON_GATEWAY_URL: simulator.gatewayUrl,
        MATON_CONTROL_URL: simulator.controlUrl,
        CLIENTS_FILE: clientsFile,
        ...intake.settings,
        EVENTS_SIGNING_KEY: signingKey,
        WEBHOOK_ALLOWED_HOSTS: `http://127.0.0.1:${receiver.port}`,
        MATON_RATE_PER_SECOND: '100000',
        STORE_URL: database ?? `file:${join(directory, 'store.db')}`,
        // What a killed process was sending is known to be in doubt after so long.
        STORE_LEASE_MS: '3000',
        PORT: '0',
        DOCS: 'off',
        DRAIN_DELAY_MS: '0',
        UPSTREAM_TIMEOUT_MS: '300',
        UPLOAD_TIMEOUT_MS: '600',
        SEND_WAIT_MS: '2000',
        TEMPLATE_CACHE_MS: '600000',
      },
    });
    running = child;
    const { resolve, reject } = address;
    child.once('exit', (code, signal) => reject(new Error(`the service ended at its start: ${code ?? signal}`)));
    address.promise.catch(() => {});
    // Read to the end, or the pipe fills and the service stands still.
    createInterface({ input: child.stdout }).on('line', (line) => {
      const found = /listening at (http:[^"]+)/.exec(line)?.[1];
      if (found !== undefined) resolve(found);
    });
    await address.promise;
  };

  return {
    start,
    /** Where it listens; while it is down, where it will. */
    url: () => address.promise,
    kill: () => end('SIGKILL'),
    stop: () => end('SIGTERM'),
    remove: () => rmSync(directory, { recursive: true, force: true }),
  };
}

export type ServiceProcess = Awaited<ReturnType<typeof createProcess>>;
