import { parseArgs } from 'node:util';
import closeWithGrace from 'close-with-grace';
import { pino } from 'pino';
import { sandboxKey } from '../callers/sandbox-key.ts';
import { createLogger } from '../observability/logger.ts';
import { type Sandbox, startSandbox } from '../sandbox/sandbox.ts';

/** Ends the process at once, without waiting for anything that is open. */
const shutdownMs = 10_000;

/**
 * `npm run sandbox`: a simulated Maton and WATI, and the service in front of it, on loopback unless HOST is set. Needs no key
 * and keeps nothing, so that tests never mix with real records.
 */
async function main() {
  const { seed, templatesFile, webhooksUrl } = optionsOf(process.argv.slice(2));
  const sandbox = await startSandbox(process.env, {
    seed,
    templatesFile,
    webhooksUrl,
    logger: ({ LOG_LEVEL, EVENTS_SIGNING_KEYS, MATON_API_KEY }) =>
      createLogger(LOG_LEVEL, [...EVENTS_SIGNING_KEYS, MATON_API_KEY], pino.destination(2)),
  });
  closeWithGrace({ delay: shutdownMs, logger: false }, () => sandbox.close());
  console.log(welcome(sandbox, seed));
}

function optionsOf(args: string[]): Record<'seed' | 'templatesFile' | 'webhooksUrl', string | undefined> {
  try {
    const type = 'string';
    const { values } = parseArgs({ args, options: { seed: { type }, templates: { type }, webhooks: { type } } });
    return {
      seed: values.seed || process.env.SANDBOX_SEED || undefined,
      templatesFile: values.templates || process.env.SANDBOX_TEMPLATES_FILE || undefined,
      webhooksUrl: values.webhooks || process.env.SANDBOX_WEBHOOKS_URL || undefined,
    };
  } catch (error) {
    console.error(
      `${error instanceof Error ? error.message : String(error)}\n\nsandbox [--seed SEED] [--templates FILE] [--webhooks URL]`,
    );
    process.exit(2);
  }
}

function welcome(sandbox: Sandbox, seed: string | undefined): string {
  const { url, gatewayUrl, callersOfFile, webhooksOrigin } = sandbox;
  const key = callersOfFile.length === 0 ? sandboxKey : 'YOUR-KEY';
  const call = (rest: string) => `  curl -s -H 'Authorization: Bearer ${key}' ${rest}`;
  const json = "-H 'Content-Type: application/json'";
  return `
wati-bff sandbox: everything is simulated, nothing leaves this machine.

  Console  ${url}/console   (what operators see, and the phones of the simulated customers: press Phone)
  Docs     ${url}/docs   (press Authorize and paste the key)
  Key      ${callersOfFile.length === 0 ? sandboxKey : `the keys of CLIENTS_FILE: ${callersOfFile.join(', ')}`}
  Sandbox  ${url}/_sandbox   (what can be done to it: reset, add templates, move the time, play the customer, read the ledger)
  Ledger   ${gatewayUrl}/_sandbox/ledger   (every request that the simulated gateway received)
  Webhooks ${webhooksOrigin}   (where the simulated WATI posts them; what befalls them, and what was posted: ${url}/_sandbox/webhooks)
  Seed     ${seed ?? 'none: ids are random'}

Try:

${call(`${json} ${url}/v1/messages/text -d '{"to":"14155550100","text":"Your parcel is on its way."}'`)}
${call(`${json} ${url}/v1/messages/template -d '{"to":"14155550111","template":"order_update","parameters":{"customer_name":"Asha","order_id":"A-1001","order_status":"shipped"}}'`)}
${call(`'${url}/v1/contacts?pageSize=2'`)}

Hear of it: what becomes of a message, and what a customer writes (the second line), arrives as events, for a minute in your terminal, and in webhooks:

${call(`-N --max-time 60 '${url}/v1/events/stream?lastEventId=earliest' &`)}
  curl -s ${url}/_sandbox/messages -d '{"from":"14155550100","text":"Thank you!"}'

Rehearse: the service as you will run it, with settings and callers of your own, against this simulated Maton:

${rehearsal(sandbox)}

Recipients that misbehave end in 0101, 0103, 0201, 0202, 0301, 0302, 0409, 0422, 0423, 0424, 0429, 0500, 0502, 0600 or 0601; what becomes of a
message after it was accepted is told by 0701 to 0704, 0726, 0747, 0749 and 0750 to 0757 (see docs/sandbox.md).
Ctrl-C ends it.

Ready: ${url}
`;
}

/** Prefixes each line with the settings, so that each can be pasted alone. */
function rehearsal({ gatewayUrl, controlUrl, matonKey, rehearsalPort, callersOfFile }: Sandbox): string {
  const settings = [
    `MATON_API_KEY=${matonKey}`,
    `MATON_GATEWAY_URL=${gatewayUrl}`,
    `MATON_CONTROL_URL=${controlUrl}`,
    `CLIENTS_FILE=${callersOfFile.length === 0 ? rehearsalFile : quoted(process.env.CLIENTS_FILE ?? '')}`,
    'STORE_URL=memory:',
  ].join(' ');
  return [
    ...(callersOfFile.length > 0
      ? []
      : [`  npm run client-key -- rehearsal --scopes '*' --connections '*' --rate none --add ${rehearsalFile}`]),
    `  ${settings} npm run check`,
    `  ${settings} PORT=${rehearsalPort} npm start`,
  ].join('\n');
}

const rehearsalFile = 'rehearsal-clients.json';

/** Quotes a text for the shell. */
const quoted = (word: string): string => (/^[\w./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`);

try {
  await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error));
  if (error instanceof Error && 'code' in error && error.code === 'EADDRINUSE') {
    console.error('Another port: PORT=4000 npm run sandbox');
  }
  process.exit(1);
}
