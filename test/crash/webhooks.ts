import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Agent, request } from 'undici';
import { openStore, type Store } from '../../src/store/open.ts';
import { intakeAt } from '../faults/intake.ts';
import { insertPublished } from '../store/broadcast-samples.ts';
import { OPTIONS, OUTCOME } from '../store/samples.ts';
import type { Place } from './service.ts';

/** A fact that nothing else implies, so that one that is lost shows. */
const facts = [
  { eventType: 'templateMessageSent_v2', time: 'sentAt' },
  { eventType: 'sentMessageREAD_v2', time: 'readAt' },
  { eventType: 'sentMessageREPLIED_v2', time: 'repliedAt' },
  { eventType: 'templateMessageFailed', time: 'failedAt' },
] as const;

/** One webhook as WATI posts it: again and again, until it is answered 200. */
interface Event {
  message: string;
  time: (typeof facts)[number]['time'];
  body: string;
  /** One entry a post; 0: the connection broke. */
  answers: number[];
}

export interface Wati {
  /** For the service. */
  settings: Record<string, string>;
  readonly events: readonly Event[];
  /** When the last one was posted (`performance.now`). */
  readonly lastPostedMs: number;
  /** Posts the oldest one that was refused for so long, or a new one; resolves to its answer. Never throws. */
  post(): Promise<number>;
  /** Posts what was refused until nothing is. */
  repeat(patienceMs?: number): Promise<void>;
  /** What was answered 200, and is not on record. The service must be down, or its store one that others may open. */
  lost(): Promise<string[]>;
  close(): Promise<void>;
}

const broadcast = 'b';
const connectionId = 'c1';

/** WATI with so many messages, each accepted or in doubt, in the store of a place where no service runs yet. */
export async function aWati(
  place: Place,
  storeUrl: string,
  { messages, repeatMs = 0 }: { messages: number; repeatMs?: number },
): Promise<Wati> {
  const intake = await intakeAt(place.folder, connectionId);
  await withStore(storeUrl, (store) => seed(store, messages));
  const agent = new Agent({ connections: 200, pipelining: 1, connect: { timeout: 2_000 } });
  const events: Event[] = [];
  const refused: { event: Event; at: number }[] = [];

  let lastPostedMs = 0;

  const postOne = async (event: Event): Promise<number> => {
    lastPostedMs = performance.now();
    const status = await send(agent, intake.url, event.body);
    event.answers.push(status);
    if (status !== 200) refused.push({ event, at: performance.now() });
    return status;
  };
  const fresh = (): Event => {
    const event = eventOf(events.length, messages);
    events.push(event);
    return event;
  };
  const isDue = () => refused[0] !== undefined && performance.now() - refused[0].at >= repeatMs;
  const taken = () => events.filter(({ answers }) => answers.includes(200));

  return {
    settings: intake.settings,
    events,
    get lastPostedMs() {
      return lastPostedMs;
    },
    post: () => postOne((isDue() ? refused.shift()?.event : undefined) ?? fresh()),
    repeat: async (patienceMs = 30_000) => {
      const end = performance.now() + patienceMs;
      for (let again = refused.shift(); again; again = refused.shift()) {
        if ((await postOne(again.event)) !== 200) await sleep(50);
        if (performance.now() > end) throw new Error(`${refused.length} webhooks are still refused`);
      }
    },
    lost: () => withStore(storeUrl, (store) => notOnRecord(store, taken())),
    close: () => agent.destroy(),
  };
}

function eventOf(n: number, messages: number): Event {
  const number = Math.floor(n / facts.length);
  const { eventType, time } = facts[n % facts.length] ?? facts[0];
  if (number >= messages) throw new Error('there are no more messages to tell of');
  const message = `${broadcast}-${number}`;
  const ids = { id: `wati-${number}`, whatsappMessageId: `wamid.${number}`, localMessageId: message };
  return { message, time, body: JSON.stringify({ eventType, ...ids, text: 'x'.repeat(400) }), answers: [] };
}

async function send(agent: Agent, url: string, body: string): Promise<number> {
  try {
    const answer = await request(url, { method: 'POST', body, dispatcher: agent, headersTimeout: 20_000 });
    await answer.body.dump();
    return answer.statusCode;
  } catch {
    return 0;
  }
}

/** Every fifth is in doubt until WATI names it. */
async function seed(store: Store, messages: number): Promise<void> {
  await insertPublished(store, broadcast, messages);
  for (let done = 0; done < messages; ) {
    const claimed = await store.claimBatch(broadcast, 500);
    done += claimed.length;
    const isInDoubt = (id: string) => Number(id.slice(broadcast.length + 1)) % 5 === 4;
    await store.completeAll(
      claimed.map(({ id }) => ({ id, status: isInDoubt(id) ? 'unknown' : 'accepted', outcome: OUTCOME })),
    );
  }
}

async function withStore<Value>(url: string, use: (store: Store) => Promise<Value>): Promise<Value> {
  const store = await openStore(url, OPTIONS);
  return use(store).finally(() => store.close());
}

async function notOnRecord(store: Store, events: readonly Event[]): Promise<string[]> {
  const lost: string[] = [];
  for (const [message, of] of Map.groupBy(events, (event) => event.message)) {
    const found = await store.find('crm', message);
    if (found?.status !== 'accepted') lost.push(`${message} is ${found?.status}`);
    for (const { time } of of) if (found?.delivery?.[time] === undefined) lost.push(`${message} has no ${time}`);
  }
  return lost;
}

export const storeOf = (place: Place): string => `file:${join(place.folder, 'store.db')}`;
