import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { Webhook } from 'svix';
import { request } from 'undici';
import { readerKey, type Seen, seenIn } from './event-readers.ts';
import { freePort } from './service.ts';

export interface EventReceiver {
  readonly port: number;
  readonly url: string;
  /** All accepted requests, in the order of arrival. */
  readonly seen: readonly Seen[];
  /** Signatures that svix rejects. */
  readonly faults: readonly string[];
  /** Ids of events that were answered with a 500 once. */
  readonly refused: ReadonlySet<string>;
  /** Expects signatures with this secret from now on. */
  trust(secret: string): void;
  /** Stops listening. */
  goAway(): Promise<void>;
  comeBack(): Promise<void>;
}

/** Starts a receiver of webhooks. It verifies each by svix, and answers 204, or 500 the first time if `refuses` returns true. */
export async function anEventReceiver(refuses: () => boolean = () => false): Promise<EventReceiver> {
  const port = await freePort();
  const seen: Seen[] = [];
  const faults: string[] = [];
  let webhook: Webhook | undefined;
  const refused = new Set<string>();
  const take = (headers: Record<string, string>, text: string): number => {
    try {
      webhook?.verify(text, headers);
    } catch (error) {
      faults.push(String(error));
    }
    const event = seenIn(text);
    // The second wait is a minute.
    if (!refused.has(event.id) && refuses()) {
      refused.add(event.id);
      return 500;
    }
    seen.push(event);
    return 204;
  };
  let server: Server | undefined;
  const receiver: EventReceiver = {
    port,
    url: `http://127.0.0.1:${port}/events`,
    seen,
    faults,
    refused,
    trust: (secret) => {
      webhook = new Webhook(secret);
    },
    goAway: async () => {
      const closed = server && once(server, 'close');
      server?.close();
      server?.closeAllConnections();
      server = undefined;
      await closed;
    },
    comeBack: async () => {
      server = createServer(async (incoming, answer) => {
        let text = '';
        for await (const chunk of incoming.setEncoding('utf8')) text += String(chunk);
        const headers = Object.entries(incoming.headers).map(([name, value]) => [name, String(value)]);
        answer.writeHead(take(Object.fromEntries(headers), text)).end();
      });
      server.listen(port, '127.0.0.1');
      await once(server, 'listening');
    },
  };
  await receiver.comeBack();
  return receiver;
}

/** Creates an endpoint at this receiver, from the first event on. Returns its id. */
export async function createEndpoint(url: string, receiver: EventReceiver, key = readerKey): Promise<string> {
  const answer = await request(`${url}/v1/webhook-endpoints`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify({ url: receiver.url, types: ['message.*'], from: 'earliest' }),
  });
  const created = (await answer.body.json()) as { id: string; secret: string };
  if (answer.statusCode !== 201) throw new Error(`no endpoint: ${answer.statusCode} ${JSON.stringify(created)}`);
  receiver.trust(created.secret);
  return created.id;
}
