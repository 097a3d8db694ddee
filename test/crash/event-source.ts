import type { Store } from '../../src/store/open.ts';
import { intakeAt } from '../faults/intake.ts';
import { insertPublished } from '../store/broadcast-samples.ts';
import { OUTCOME } from '../store/samples.ts';
import { signingKey } from '../webhooks/samples.ts';
import { createPosting, type Posting } from './posting.ts';
import type { Place } from './service.ts';
import { withStore } from './webhooks.ts';

/** A webhook of WATI that causes exactly one event. */
interface Told {
  /** As `factOf` in test/crash/event-readers.ts names it. */
  fact: string;
  body: string;
}

export interface EventSource extends Posting<Told> {
  /** For the service; one for each door. */
  readonly doors: readonly Record<string, string>[];
}

const perBroadcast = 1_000;
const contacts = 100;

interface Source {
  /** URL of the store, before a service runs on it. */
  storeUrl: string;
  /** How many there are at most. */
  webhooks: number;
  /** Each a service that takes webhooks in. */
  doors?: number;
  /** Posts only messages of customers. */
  answersOnly?: boolean;
}

/** Posts WATI's webhooks, alternately about the delivery of a new message and about a message of one of a hundred customers. */
export async function anEventSource(place: Place, options: Source): Promise<EventSource> {
  const { storeUrl, webhooks, doors = 1, answersOnly = false } = options;
  if (!answersOnly) await withStore(storeUrl, (store) => seed(store, Math.ceil(webhooks / 2)));
  const intakes = await Promise.all(Array.from({ length: doors }, () => intakeAt(place.folder, 'c1')));
  const tell = (n: number): Told => {
    if (n >= webhooks) throw new Error('there are no more messages to tell of');
    if (answersOnly) return received(n);
    return n % 2 === 0 ? delivered(n / 2) : received((n - 1) / 2);
  };
  const posting = createPosting(
    intakes.map(({ url }) => url),
    tell,
  );
  return Object.assign(posting, { doors: intakes.map(({ settings }) => settings) });
}

/** Settings of a service that calls these receivers. */
export const webhookSettings = (ports: readonly number[]): Record<string, string> => ({
  EVENTS_SIGNING_KEY: signingKey,
  WEBHOOK_ALLOWED_HOSTS: ports.map((port) => `http://127.0.0.1:${port}`).join(','),
});

const messageId = (n: number) => `b${Math.floor(n / perBroadcast)}-${n % perBroadcast}`;

function delivered(n: number): Told {
  const id = messageId(n);
  const ids = { id: `wati-${n}`, whatsappMessageId: `wamid.${n}`, localMessageId: id };
  const body = { eventType: 'sentMessageDELIVERED_v2', ...ids, text: 'x'.repeat(400) };
  return { fact: `message.delivered ${id}`, body: JSON.stringify(body) };
}

function received(n: number): Told {
  const ids = { id: `wati-in-${n}`, whatsappMessageId: `wamid.in.${n}` };
  const who = { waId: `1415555${String(n % contacts).padStart(4, '0')}`, owner: false };
  const timestamp = String(Math.floor(Date.now() / 1_000));
  const body = { eventType: 'message', ...ids, ...who, type: 'text', text: `Answer ${n}`, timestamp };
  return { fact: `message.received wamid.in.${n}`, body: JSON.stringify(body) };
}

async function seed(store: Store, messages: number): Promise<void> {
  for (let from = 0; from < messages; from += perBroadcast) {
    const broadcast = `b${from / perBroadcast}`;
    const total = Math.min(perBroadcast, messages - from);
    await insertPublished(store, broadcast, total, { name: broadcast });
    for (let done = 0; done < total; ) {
      const claimed = await store.claimBatch(broadcast, 500);
      done += claimed.length;
      await store.completeAll(claimed.map(({ id }) => ({ id, status: 'accepted', outcome: OUTCOME })));
    }
  }
}
