import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { DeliveryFacts } from '../../src/store/delivery-facts.ts';
import { openStore } from '../../src/store/open.ts';
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
const messages = 60;

/** A doubled, shuffled and thinned out life of many messages, with twins. */
const lives = fc
  .array(
    fc.record({
      message: fc.integer({ min: 0, max: messages - 1 }),
      name: fc.constantFrom(...names),
      twin: fc.constantFrom('', '_v2'),
    }),
    { minLength: 600, maxLength: 600 },
  )
  .map((all) =>
    all.map(({ message, name, twin }, place) => ({
      member: {
        eventType: name + twin,
        id: `wati-${message}`,
        whatsappMessageId: `wamid.${message}`,
        ...(twin !== '' && { localMessageId: `m${message}` }),
      },
      message,
      at: 1_000_000 + place,
    })),
  );

it('comes to the fold of all that was recorded, in SQLite, over a change of the process in the middle', async () => {
  const [life = []] = fc.sample(lives, { numRuns: 1, seed: 17 });
  const store = await openStore('memory:', OPTIONS);
  const outcomes: string[] = [];
  const open = () =>
    createApplier({
      store,
      metrics: {
        applied: (outcome) => outcomes.push(outcome),
        reached: () => {},
        resolved: () => {},
        contradiction: () => {},
      },
      logger: { debug: () => {}, error: () => {} },
      onFault: (error) => expect.fail(String(error)),
      intakeEveryMs: 10,
    });
  const recordRows = (some: typeof life) =>
    store.recordIntake(
      some.map(({ member, at }) => {
        const body = JSON.stringify(member);
        return { key: dedupeKey({ connectionId: 'c1', member, body }), connectionId: 'c1', receivedAtMs: at, body };
      }),
    );
  for (let n = 0; n < messages; n++) {
    await insertSending(store, newMessage(`m${n}`));
    await store.complete(`m${n}`, { status: 'accepted', whatsappMessageId: `wamid.${n}`, outcome: OUTCOME });
  }
  const first = open();
  first.start();
  await recordRows(life.slice(0, 300));
  first.wake();
  await first.stop();
  const second = open();
  second.start();
  await recordRows(life.slice(300));
  second.wake();
  await expect.poll(() => store.intakeState()).toMatchObject({ waiting: 0, failed: 0 });
  const seen = new Set<string>();
  const fold = new Map<number, DeliveryFacts>();
  for (const { member, message, at } of life) {
    const key = JSON.stringify(member);
    const event = readWebhookEvent(member);
    if (seen.has(key) || event.kind !== 'status') continue;
    seen.add(key);
    const facts = factsOf({ fact: event.fact, failure: { code: 'unknown', detail: '' } }, at, 'webhook');
    const known = fold.get(message);
    fold.set(message, known ? joinFacts(known, facts) : facts);
  }
  for (const [message, state] of fold) {
    await expect.poll(async () => (await mustFind(store, `m${message}`)).delivery).toMatchObject(state);
  }
  await second.stop();
  expect(outcomes.length).toBe(seen.size);
  expect(outcomes).toContain('moved');
  expect(outcomes).toContain('late');
  await store.close();
});
