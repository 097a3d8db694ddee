import { hash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { createParser } from 'eventsource-parser';
import { Agent, request } from 'undici';
import { callerEntry } from '../../src/callers.ts';

/** Key of the caller whose messages the webhooks are about, and to whom customers answer. */
export const readerKey = 'crash-key-of-a-reader-of-events';
export const reader = callerEntry('crm', readerKey, { scopes: ['*'], events: ['message.*'], inbound: 'all' });

/** An event as one reader got it. */
export interface Seen {
  id: string;
  /** The type of the event, and its message. */
  fact: string;
  contact: string;
  /** The new state of the message, if it changed. */
  to?: string;
  /** Digest of its bytes. */
  digest: string;
  /** `performance.now` */
  atMs: number;
}

export interface Reading {
  readonly seen: readonly Seen[];
  /** Answers that a kill does not explain. */
  readonly faults: readonly string[];
  /** Number of reconnects because the service was gone. */
  readonly breaks: number;
  close(): Promise<void>;
}

interface EventBody {
  id: string;
  type: string;
  data: {
    message?: { id: string; to?: string };
    change?: { to: string };
    received?: { whatsappMessageId?: string; phone?: string };
  };
}

export function seenIn(text: string): Seen {
  const { id, type, data } = JSON.parse(text) as EventBody;
  const of = data.message?.id ?? data.received?.whatsappMessageId ?? '';
  const contact = data.message?.to ?? data.received?.phone ?? '';
  const digest = hash('sha1', text, 'base64');
  const to = data.change?.to;
  return { id, fact: `${type} ${of}`, contact, ...(to !== undefined && { to }), digest, atMs: performance.now() };
}

/** Pause before a reconnect, ms. */
const restMs = 20;

interface Round {
  url: string;
  agent: Agent;
  signal: AbortSignal;
  seen: Seen[];
}

/** Repeats rounds across kills of the service. `round` returns a status, and throws if a connection breaks. */
function reading(url: string, round: (round: Round) => Promise<number>): Reading {
  const seen: Seen[] = [];
  const faults: string[] = [];
  const agent = new Agent({ connections: 1 });
  const stopping = new AbortController();
  let breaks = 0;
  const running = (async () => {
    while (!stopping.signal.aborted) {
      const status = await round({ url, agent, signal: stopping.signal, seen }).catch(() => 0);
      if (status === 0) breaks += 1;
      else if (status !== 200 && status !== 503) faults.push(`answered ${status}`);
      if (status !== 200) await sleep(restMs);
    }
  })();
  return {
    seen,
    faults,
    get breaks() {
      return breaks;
    },
    close: async () => {
      stopping.abort();
      await running;
      await agent.destroy();
    },
  };
}

interface Page {
  data: object[];
  nextCursor: string;
  hasMore: boolean;
}

/** Follows the feed from the beginning. Moves its cursor only after a complete page. */
export function followFeed(url: string): Reading {
  let cursor = 'earliest';
  return reading(url, async ({ agent, signal, seen }) => {
    const { status, page } = await readPage(url, cursor, { agent, signal, waitS: 2 });
    if (!page) return status;
    seen.push(...page.data.map((event) => seenIn(JSON.stringify(event))));
    cursor = page.nextCursor;
    return status;
  });
}

/** Returns all events of the feed, in order. */
export async function wholeFeed(url: string, key = readerKey): Promise<Seen[]> {
  const seen: Seen[] = [];
  for (let cursor = 'earliest'; ; ) {
    const { status, page } = await readPage(url, cursor, { key });
    if (!page) throw new Error(`the feed was answered ${status}`);
    seen.push(...page.data.map((event) => seenIn(JSON.stringify(event))));
    if (!page.hasMore) return seen;
    cursor = page.nextCursor;
  }
}

async function readPage(
  url: string,
  cursor: string,
  more: { agent?: Agent; signal?: AbortSignal; waitS?: number; key?: string } = {},
) {
  const { agent, signal, waitS = 0, key = readerKey } = more;
  const answer = await request(`${url}/v1/events?limit=500&cursor=${cursor}`, {
    headers: { authorization: `Bearer ${key}`, ...(waitS > 0 && { prefer: `wait=${waitS}` }) },
    ...(agent && { dispatcher: agent }),
    ...(signal && { signal }),
  });
  const text = await answer.body.text();
  if (answer.statusCode !== 200) return { status: answer.statusCode };
  return { status: 200, page: JSON.parse(text) as Page };
}

/** Follows a stream from the beginning, and reconnects with the last id each time it ends. */
export function followStream(url: string): Reading {
  let lastId = '';
  return reading(url, async ({ agent, signal, seen }) => {
    const answer = await request(`${url}/v1/events/stream${lastId === '' ? '?lastEventId=earliest' : ''}`, {
      headers: { authorization: `Bearer ${readerKey}`, ...(lastId !== '' && { 'last-event-id': lastId }) },
      dispatcher: agent,
      signal,
      bodyTimeout: 0,
    });
    if (answer.statusCode !== 200) {
      await answer.body.dump();
      return answer.statusCode;
    }
    const parser = createParser({
      onEvent: ({ id, data }) => {
        lastId = id ?? lastId;
        seen.push(seenIn(data));
      },
    });
    for await (const chunk of answer.body.setEncoding('utf8')) parser.feed(String(chunk));
    return 0;
  });
}
