import fc from 'fast-check';
import { expect } from 'vitest';
import type { DeliveryFacts } from '../../src/store/delivery-facts.ts';
import { openStore, type Store } from '../../src/store/open.ts';
import { createApplier } from '../../src/tracking/applier.ts';
import { dedupeKey } from '../../src/tracking/dedupe-key.ts';
import { factsOf, joinFacts } from '../../src/tracking/delivery-state.ts';
import { readWebhookEvent } from '../../src/tracking/webhook-event.ts';
import { insertSending, mustFind, newMessage, OPTIONS, OUTCOME } from '../store/samples.ts';

const names = [
  'templateMessageSent',
  'sentMessageDELIVERED',
  'sentMessageREAD',
  'sentMessageREPLIED',
  'templateMessageFailed',
];
interface Size {
  messages: number;
  webhooks: number;
  seed: number;
}

/** Generates webhooks of many messages, with twins, repeats and disorder, and leaves many out. */
function drawn({ messages, webhooks, seed }: Size) {
  const some = fc.record({
    message: fc.integer({ min: 0, max: messages - 1 }),
    name: fc.constantFrom(...names),
    twin: fc.constantFrom('', '_v2'),
  });
  return fc.sample(some, { numRuns: webhooks, seed }).map(({ message, name, twin }, place) => ({
    member: {
      eventType: name + twin,
      id: `wati-${message}`,
      whatsappMessageId: `wamid.${message}`,
      ...(twin !== '' && { localMessageId: `m${message}` }),
    },
    message,
    at: 1_000_000 + place,
  }));
}

type Life = ReturnType<typeof drawn>;

/** Checks that the recorded states are the fold of all webhooks, across a change of the process in the middle. */
export async function expectFold(size: Size): Promise<void> {
  const life = drawn(size);
  const store = await openStore('memory:', OPTIONS);
  for (let n = 0; n < size.messages; n++) {
    await insertSending(store, newMessage(`m${n}`));
    await store.complete(`m${n}`, { status: 'accepted', whatsappMessageId: `wamid.${n}`, outcome: OUTCOME });
  }
  const outcomes: string[] = [];
  const half = Math.floor(life.length / 2);
  const first = applierOn(store, outcomes);
  first.start();
  await recordAll(store, life.slice(0, half));
  first.wake();
  await first.stop();
  const second = applierOn(store, outcomes);
  second.start();
  await recordAll(store, life.slice(half));
  second.wake();
  await expect.poll(() => store.intakeState(), { timeout: 60_000 }).toMatchObject({ waiting: 0, failed: 0 });
  await second.stop();
  const { states, told } = foldOf(life);
  for (const [message, state] of states) {
    expect((await mustFind(store, `m${message}`)).delivery, `message ${message}`).toMatchObject(state);
  }
  expect(outcomes.length).toBe(told);
  expect(outcomes).toContain('moved');
  expect(outcomes).toContain('late');
  await store.close();
}

const applierOn = (store: Store, outcomes: string[]) =>
  createApplier({
    store,
    metrics: {
      applied: (outcome) => outcomes.push(outcome),
      reached: () => {},
      resolved: () => {},
      contradiction: () => {},
      received: () => {},
    },
    logger: { debug: () => {}, info: () => {}, error: () => {} },
    onFault: (error) => expect.fail(String(error)),
    intakeEveryMs: 10,
  });

async function recordAll(store: Store, life: Life): Promise<void> {
  const rows = life.map(({ member, at }) => {
    const body = JSON.stringify(member);
    return { key: dedupeKey({ connectionId: 'c1', member, body }), connectionId: 'c1', receivedAtMs: at, body };
  });
  for (let from = 0; from < rows.length; from += 256) await store.recordIntake(rows.slice(from, from + 256));
}

/** Folds the webhooks; only the first of repeated ones counts. */
function foldOf(life: Life): { states: Map<number, DeliveryFacts>; told: number } {
  const seen = new Set<string>();
  const states = new Map<number, DeliveryFacts>();
  for (const { member, message, at } of life) {
    const key = JSON.stringify(member);
    const event = readWebhookEvent(member);
    if (seen.has(key) || event.kind !== 'status') continue;
    seen.add(key);
    const facts = factsOf({ fact: event.fact, failure: { code: 'unknown', detail: '' } }, at, 'webhook');
    const known = states.get(message);
    states.set(message, known ? joinFacts(known, facts) : facts);
  }
  return { states, told: seen.size };
}
