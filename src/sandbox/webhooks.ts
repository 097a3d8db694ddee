import type { IntakeTokens } from '../intake/tokens.ts';
import { exampleIds } from '../schemas/common.ts';

/** The token of the sandbox's own intake. It opens nothing else, and has the length of a real one. */
const token = 'sandbox-intake-token-of-nobody-000000000000';

/** Tokens of the sandbox's own intake: a single one, for its simulated WATI and its connection. */
export function sandboxTokens(now: () => number): IntakeTokens {
  const connectionId = exampleIds.connection;
  const sinceMs = now();
  return {
    find: (given) => (given === token ? { name: 'sandbox', connectionId } : undefined),
    connections: () => [connectionId],
    file: () => ({ valid: true, sinceMs, entries: 1 }),
    close: () => {},
  };
}

/** The address of the sandbox's own intake. */
export const ownWebhooksUrl = (port: number): string => `http://127.0.0.1:${port}/wati/${token}`;

/** An address for webhooks, in the form of the simulator. Throws with its faults in words. */
export function webhooksUrlOf(text: string): string {
  const url = URL.parse(text);
  const isHttp = url !== null && /^https?:$/.test(url.protocol);
  if (isHttp && url.username === '' && url.password === '' && url.hash === '') return url.href;
  throw new Error(`Webhooks go to an http or https address without a user, and ${JSON.stringify(text)} is none`);
}
