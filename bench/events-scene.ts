import { hash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, request, type Server } from 'node:http';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { join } from 'node:path';
import { callerEntry } from '../src/callers.ts';
import { type Caller, createCaller } from './open-load.ts';
import type { createPeers, Peer } from './peers.ts';

/** What the parts of bench/events.ts have in common: a service with callers that have events, customers who write, and those who hear of it. */

const connectionId = '21fd90f9-5935-43cd-b6c8-bde9d915ca80';
const token = 'bench-token-000000000000000000000000000000';
const signingKey = hash('sha256', 'the signing key of the bench', 'base64');

export type Peers = ReturnType<typeof createPeers>;

/** A number of somebody who writes; ends in 5, which the sandbox treats in no way of its own. */
export const customer = (n: number): string => `15${String(n).padStart(8, '0')}5`;

/** What a customer wrote: which of all, and when it was posted. */
export interface Told {
  n: number;
  eventId: string;
}

export interface Scene {
  service: Peer;
  caller: Caller;
  /** Posts the webhook of a customer who writes; `n` comes back in the event. Resolves when it was answered. */
  write(n: number, from?: string): Promise<void>;
  /** For a second replica; it takes no webhooks. */
  settings: Readonly<Record<string, string>>;
  close(): Promise<void>;
}

interface SceneOptions {
  store: string;
  callers: readonly { name: string; key: string; inbound: 'own' | 'all' }[];
  settings?: Readonly<Record<string, string>>;
}

export async function openScene(peers: Peers, upstream: Peer, options: SceneOptions): Promise<Scene> {
  const intakePort = await freePort();
  const tokens = join(peers.directory, `tokens-${intakePort}.json`);
  writeFileSync(tokens, JSON.stringify([{ name: 'bench', tokenSha256: [hash('sha256', token)], connectionId }]));
  const clients = join(peers.directory, `clients-${intakePort}.json`);
  const entries = options.callers.map(({ name, key, inbound }) =>
    callerEntry(name, key, { scopes: ['*'], events: ['message.received'], inbound }),
  );
  writeFileSync(clients, JSON.stringify(entries));
  const settings = {
    CLIENTS_FILE: clients,
    EVENTS_SIGNING_KEY: signingKey,
    ...(options.store !== 'file:' && { STORE_URL: options.store }),
    ...options.settings,
  };
  const service = await peers.service(upstream, 'file:', {
    ...settings,
    INTAKE_PORT: String(intakePort),
    INTAKE_TOKENS_FILE: tokens,
  });
  const caller = createCaller(service.url, options.callers[0]?.key ?? '');
  const wati = createCaller(`http://127.0.0.1:${intakePort}`, '');
  return {
    service,
    caller,
    settings,
    write: async (n, from = customer(n % 1_000)) => {
      const { status } = await wati.ask('POST', `/wati/${token}`, {
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(received(n, from)),
      });
      if (status !== 200) throw new Error(`a webhook was answered ${status}`);
    },
    close: async () => {
      caller.close();
      wati.close();
      await service.stop();
    },
  };
}

/** As WATI tells that a customer wrote; 700 bytes or so. */
const received = (n: number, from: string) => ({
  eventType: 'message',
  id: `65f0c0de${String(n).padStart(16, '0')}`,
  whatsappMessageId: `wamid.HBgLMTQxNTU1NTEwMDAVAgARGBI${n}`,
  conversationId: `75f0c0de${from.padStart(16, '0')}`,
  created: new Date().toISOString(),
  text: `${n} ${'x'.repeat(300)}`,
  type: 'text',
  timestamp: String(Math.floor(Date.now() / 1_000)),
  owner: false,
  statusString: 'SENT',
  waId: from,
  senderName: 'Asha',
  replyContextId: '',
});

/** Which text an event tells of. */
function toldBy(event: { id: string; data: { received?: { text?: string } } }): Told {
  return { n: Number.parseInt(event.data.received?.text ?? '', 10), eventId: event.id };
}

export interface Receiver {
  readonly host: string;
  readonly url: string;
  /** Refuses connections from now on, and takes them again. */
  leave(): Promise<void>;
  comeBack(): Promise<void>;
  close(): Promise<void>;
}

/** Answers 204 after so many ms, and says what it got. */
export async function openReceiver(answerMs: number, got: (told: Told) => void): Promise<Receiver> {
  const port = await freePort();
  let server: Server;
  const open = async () => {
    server = createServer({ keepAliveTimeout: 60_000 }, (incoming, response) => {
      void textOf(incoming).then((text) => {
        got(toldBy(JSON.parse(text)));
        const answer = () => response.writeHead(204).end();
        if (answerMs === 0) answer();
        else setTimeout(answer, answerMs);
      });
    });
    await new Promise<void>((resolve) => void server.listen(port, '127.0.0.1', resolve));
  };
  const leave = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  await open();
  return { host: `127.0.0.1:${port}`, url: `http://127.0.0.1:${port}/`, leave, comeBack: open, close: leave };
}

async function textOf(incoming: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

/** A stream of events; what it says comes as it comes. The answer ends it. */
export async function openStream(service: Peer, key: string, got: (told: Told) => void): Promise<() => void> {
  const asked = request(`${service.url}/v1/events/stream`, {
    agent: false,
    headers: { authorization: `Bearer ${key}` },
  });
  const answer = await new Promise<IncomingMessage>((resolve, reject) => {
    asked.on('response', resolve).on('error', reject).end();
  });
  if (answer.statusCode !== 200) throw new Error(`a stream was answered ${answer.statusCode}`);
  let text = '';
  answer.setEncoding('utf8').on('error', () => {});
  answer.on('data', (chunk: string) => {
    text += chunk;
    const blocks = text.split('\n\n');
    text = blocks.pop() ?? '';
    for (const block of blocks) {
      const data = /^data: (.*)$/m.exec(block)?.[1];
      if (data !== undefined) got(toldBy(JSON.parse(data)));
    }
  });
  return () => void asked.destroy();
}

/** Calls that must succeed, with what they answer. */
export async function call(caller: Caller, what: `${'GET' | 'POST'} ${string}`, json?: unknown) {
  const [method = '', path = ''] = what.split(' ');
  const { status, body } = await caller.ask(method, path, {
    headers: { 'content-type': 'application/json' },
    ...(json !== undefined && { body: JSON.stringify(json) }),
  });
  if (status < 200 || status > 299) throw new Error(`${what} was answered ${status}: ${body.slice(0, 300)}`);
  return body === '' ? undefined : JSON.parse(body);
}

async function freePort(): Promise<number> {
  const probe = createTcpServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => probe.once('listening', resolve));
  const { port } = probe.address() as AddressInfo;
  await new Promise((resolve) => probe.close(resolve));
  return port;
}
