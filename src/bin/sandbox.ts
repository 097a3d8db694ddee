import { createServer } from 'node:net';
import closeWithGrace from 'close-with-grace';
import { pino } from 'pino';
import { buildApp } from '../app.ts';
import { callerEntry, fixedCallers } from '../callers.ts';
import { loadConfig } from '../config.ts';
import { createLogger } from '../logger.ts';
import { startSimulator } from '../simulator/simulator.ts';

/** Known to everybody, and good for nothing but a sandbox. */
const sandboxKey = 'sandbox-key-of-nobody';

/** HOST, where it means every interface: what listens there is shown, and called, at 127.0.0.1. */
const everywhere = /^(0\.0\.0\.0|::)$/;

/**
 * `npm run sandbox`: a simulated Maton and WATI, and the service in front of it, on loopback unless HOST says otherwise.
 * Nobody's key is needed, and nothing is kept: what was tried is never mixed up with real records.
 */
async function main() {
  const port = Number(process.env.PORT ?? 3000);
  const simulator = await startSimulator({
    gatewayPort: await freePort(port === 0 ? 0 : port + 1),
    // In a container its ledger is to be read from outside, as the service is.
    ...(everywhere.test(process.env.HOST ?? '') && { gatewayHost: process.env.HOST }),
  });
  const config = loadConfig({
    NATIVE_PATHS: 'GET /api/v1/chatbots',
    LOG_LEVEL: 'warn',
    DRAIN_DELAY_MS: '0',
    ...process.env,
    STORE_URL: 'memory:',
    STORE_URL_FILE: undefined,
    MATON_API_KEY: simulator.key,
    MATON_API_KEY_FILE: undefined,
    MATON_GATEWAY_URL: simulator.gatewayUrl,
    MATON_CONTROL_URL: simulator.controlUrl,
    MATON_CONNECTION_ID: undefined,
    // Here there is no key to leak, and a debugger may be welcome.
    NODE_DEBUG: undefined,
    NODE_OPTIONS: undefined,
    CLIENTS_FILE: 'none: the sandbox has one caller',
  });
  const logger = createLogger(config.LOG_LEVEL, [config.MATON_API_KEY], pino.destination(2));
  const callers = fixedCallers([callerEntry('sandbox', sandboxKey, ['*'])]);
  const app = await buildApp(config, { callers, logger });
  closeWithGrace({ delay: config.SHUTDOWN_TIMEOUT_MS, logger: false }, async () => {
    await app.close();
    await simulator.close();
  });
  const address = await app.listen({ host: config.HOST, port: config.PORT });
  console.log(welcome(address.replace('[::]', '127.0.0.1'), simulator.gatewayUrl));
}

/** The first free port from `from` on; 0 leaves the choice to the system. */
async function freePort(from: number): Promise<number> {
  if (from === 0) return 0;
  for (let port = from; port < Math.min(from + 100, 65_536); port++) {
    const free = await new Promise<boolean>((resolve) => {
      const probe = createServer().once('error', () => resolve(false));
      probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)));
    });
    if (free) return port;
  }
  return 0;
}

function welcome(address: string, gateway: string): string {
  const call = (rest: string) => `  curl -s -H 'Authorization: Bearer ${sandboxKey}' ${rest}`;
  const json = "-H 'Content-Type: application/json'";
  return `
wati-bff sandbox: everything is simulated, nothing leaves this machine.

  Docs    ${address}/docs   (press Authorize and paste the key)
  Key     ${sandboxKey}
  Ledger  ${gateway}/_sandbox/ledger   (every request that the simulated gateway received)

Try:

${call(`${json} ${address}/v1/messages/text -d '{"to":"14155551000","text":"Your parcel is on its way."}'`)}
${call(`${json} ${address}/v1/messages/template -d '{"to":"14155551001","template":"order_update","parameters":{"customer_name":"Asha","order_id":"A-1001","order_status":"shipped"}}'`)}
${call(`'${address}/v1/contacts?pageSize=2'`)}

Recipients that misbehave end in 0101, 0201, 0202, 0301, 0302, 0409, 0422, 0423, 0429, 0500, 0502, 0600 or 0601 (see the README).
Ctrl-C ends it.
`;
}

try {
  await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error));
  console.error('Another port: PORT=4000 npm run sandbox');
  // The simulated gateway listens already, and would keep the process.
  process.exit(1);
}
