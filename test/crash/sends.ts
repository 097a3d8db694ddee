import { setTimeout as sleep } from 'node:timers/promises';
import { Agent, request } from 'undici';
import type { Simulator } from '../../src/simulator/simulator.ts';
import { slugOf } from '../support/json.ts';
import { callerKey } from './service.ts';

/** The answer that a caller got; no `status`: the connection was lost, so the caller knows nothing. */
export interface Told {
  status?: number;
  /** `status` of the message, or `outcome` of the problem. */
  outcome?: string;
  problem?: string;
  location?: string;
  replayed?: boolean;
}

/** One thing that a caller wants sent, to a recipient of its own, which distinguishes it from all others. */
export interface Wish {
  to: string;
  path: string;
  json: Record<string, unknown>;
  key?: string;
  async: boolean;
  told: Told[];
}

export interface Message {
  id: string;
  to: string;
  status: string;
  attempts: number;
}

/** Makes up wishes, says them to a service, and remembers what it answered. */
export interface Caller {
  readonly wishes: readonly Wish[];
  wish(): Wish;
  /** Never throws: a lost connection is an answer too. */
  say(url: string, wish: Wish): Promise<Told>;
  records(url: string): Promise<Message[]>;
  /** Until nothing is queued or being sent any more. */
  settle(url: string, timeoutMs?: number): Promise<void>;
  close(): Promise<void>;
}

/** `seed` keeps the numbers and keys of several callers of one simulator apart. */
export function aCaller(simulator: Simulator, seed = 0): Caller {
  const agent = new Agent({ pipelining: 1, connections: 128, connect: { timeout: 2_000 } });
  const wishes: Wish[] = [];

  const get = async (url: string, path: string) => {
    const headers = { authorization: `Bearer ${callerKey}` };
    const { statusCode, body } = await request(`${url}${path}`, { headers, dispatcher: agent });
    const json = await body.json();
    if (statusCode !== 200) throw new Error(`${path} was answered ${statusCode}: ${JSON.stringify(json)}`);
    return json as { data: Message[]; nextCursor?: string };
  };

  return {
    wishes,
    wish: () => {
      const n = wishes.length;
      // Ends in 5, which no simulated recipient of the sandbox does.
      const to = `15${String(seed).padStart(2, '0')}${String(n).padStart(6, '0')}5`;
      const isTemplate = n % 3 === 1;
      // Every eleventh customer has not written: WATI refuses texts to them.
      if (!isTemplate && n % 11 !== 7) simulator.tenant.receive(to, 'Hello', Date.now());
      const parameters = { customer_name: 'Asha', order_id: `A-${n}`, order_status: 'shipped' };
      const wish: Wish = {
        to,
        path: isTemplate ? '/v1/messages/template' : '/v1/messages/text',
        json: isTemplate
          ? { to, template: 'order_update', parameters }
          : { to, text: `Your parcel ${n} is on its way.` },
        ...(n % 2 === 0 && { key: `key-${seed}-${n}` }),
        async: n % 7 === 3,
        told: [],
      };
      wishes.push(wish);
      return wish;
    },
    say: async (url, wish) => {
      const told = await post(agent, url, wish);
      wish.told.push(told);
      return told;
    },
    records: async (url) => {
      const all: Message[] = [];
      for (let cursor: string | undefined = ''; cursor !== undefined; ) {
        const page = await get(url, `/v1/messages?limit=100${cursor && `&cursor=${cursor}`}`);
        all.push(...page.data);
        cursor = page.nextCursor;
      }
      return all;
    },
    settle: async (url, timeoutMs = 30_000) => {
      const end = performance.now() + timeoutMs;
      for (;;) {
        const open = [];
        for (const status of ['queued', 'sending']) {
          open.push(...(await get(url, `/v1/messages?limit=100&status=${status}`)).data);
        }
        if (open.length === 0) return;
        if (performance.now() > end) throw new Error(`never settled: ${JSON.stringify(open.slice(0, 5))}`);
        await sleep(50);
      }
    },
    close: () => agent.destroy(),
  };
}

async function post(agent: Agent, url: string, { path, json, key, async }: Wish): Promise<Told> {
  try {
    const { statusCode, headers, body } = await request(`${url}${path}`, {
      method: 'POST',
      dispatcher: agent,
      headers: {
        authorization: `Bearer ${callerKey}`,
        'content-type': 'application/json',
        ...(key !== undefined && { 'idempotency-key': key }),
        ...(async && { prefer: 'respond-async' }),
      },
      body: JSON.stringify(json),
      headersTimeout: 60_000,
    });
    const answer = (await body.json()) as Record<string, unknown>;
    const { location } = headers;
    const problem = slugOf(answer);
    return {
      status: statusCode,
      outcome: String(statusCode < 300 ? answer.status : answer.outcome),
      ...(problem !== undefined && { problem }),
      ...(typeof location === 'string' && { location }),
      ...(headers['idempotency-replayed'] === 'true' && { replayed: true }),
    };
  } catch {
    return {};
  }
}

/** `lanes` callers at once, each saying the next wish when the last one is answered, until `more` says no. */
export async function load(lanes: number, more: () => boolean, one: () => Promise<unknown>): Promise<void> {
  const lane = async () => {
    while (more()) await one();
  };
  await Promise.all(Array.from({ length: lanes }, lane));
}
