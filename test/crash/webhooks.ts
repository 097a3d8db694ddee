import { join } from 'node:path';
import { openStore, type Store } from '../../src/store/open.ts';
import { intakeAt } from '../faults/intake.ts';
import { insertPublished } from '../store/broadcast-samples.ts';
import { OPTIONS, OUTCOME } from '../store/samples.ts';
import { createPosting, type Posting } from './posting.ts';
import type { Place } from './service.ts';

/** A fact that nothing else implies, so that one that is lost shows. */
const facts = [
  { eventType: 'templateMessageSent_v2', time: 'sentAt' },
  { eventType: 'sentMessageREAD_v2', time: 'readAt' },
  { eventType: 'sentMessageREPLIED_v2', time: 'repliedAt' },
  { eventType: 'templateMessageFailed', time: 'failedAt' },
] as const;

interface Fact {
  message: string;
  time: (typeof facts)[number]['time'];
  body: string;
}

export interface Wati extends Posting<Fact> {
  /** For the service. */
  settings: Record<string, string>;
  /** What was answered 200, and is not on record. The service must be down, or its store one that others may open. */
  lost(): Promise<string[]>;
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
  const posting = createPosting([intake.url], (n) => factOf(n, messages), repeatMs);
  const taken = () => posting.events.filter(({ answers }) => answers.includes(200));
  return Object.assign(posting, {
    settings: intake.settings,
    lost: () => withStore(storeUrl, (store) => notOnRecord(store, taken())),
  });
}

function factOf(n: number, messages: number): Fact {
  const number = Math.floor(n / facts.length);
  const { eventType, time } = facts[n % facts.length] ?? facts[0];
  if (number >= messages) throw new Error('there are no more messages to tell of');
  const message = `${broadcast}-${number}`;
  const ids = { id: `wati-${number}`, whatsappMessageId: `wamid.${number}`, localMessageId: message };
  return { message, time, body: JSON.stringify({ eventType, ...ids, text: 'x'.repeat(400) }) };
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

export async function withStore<Value>(url: string, use: (store: Store) => Promise<Value>): Promise<Value> {
  const store = await openStore(url, OPTIONS);
  return use(store).finally(() => store.close());
}

async function notOnRecord(store: Store, events: readonly Fact[]): Promise<string[]> {
  const lost: string[] = [];
  for (const [message, of] of Map.groupBy(events, (event) => event.message)) {
    const found = await store.find('crm', message);
    if (found?.status !== 'accepted') lost.push(`${message} is ${found?.status}`);
    for (const { time } of of) if (found?.delivery?.[time] === undefined) lost.push(`${message} has no ${time}`);
  }
  return lost;
}

export const storeOf = (place: Place): string => `file:${join(place.folder, 'store.db')}`;
