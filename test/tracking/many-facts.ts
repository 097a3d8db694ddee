import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import type { DeliveryFacts } from '../../src/store/delivery-facts.ts';
import type { Store } from '../../src/store/open.ts';
import { dedupeKey } from '../../src/tracking/dedupe-key.ts';
import { joinFacts } from '../../src/tracking/delivery-state.ts';
import { createRandom, type Random } from '../faults/random.ts';
import { insertPublished } from '../store/broadcast-samples.ts';
import { mustFind, OUTCOME } from '../store/samples.ts';
import { delivered, failed, read, sent } from '../store/tracking-samples.ts';
import { type Replica, replicaOn } from './replica.ts';

/** The result of random webhooks of many messages, compared with the expected one. */
export interface ManyFacts {
  /** Rows that were given to the intake, including repeats. */
  given: number;
  /** Messages whose state is not the join of the webhooks that were not lost. */
  wrong: string[];
  movedBack: string[];
  perSecond: number;
}

interface Fact {
  message: number;
  member: Readonly<Record<string, unknown>>;
  at: number;
  facts: DeliveryFacts;
  hasOurId: boolean;
}

const T = Date.parse('2026-11-30T10:00:00Z');
const lossRatio = 0.1;
const rowsAtOnce = 256;
const readsAtOnce = 40;

type Kind = { name: string; fact: (at: number) => DeliveryFacts; fails: boolean };
const kinds: readonly [Kind, ...Kind[]] = [
  { name: 'templateMessageSent', fact: (at: number) => sent(at), fails: false },
  { name: 'sentMessageDELIVERED', fact: (at: number) => delivered(at), fails: false },
  { name: 'sentMessageREAD', fact: (at: number) => read(at), fails: false },
  { name: 'templateMessageFailed', fact: (at: number) => failed(at, '131026'), fails: true },
];

/** States of messages before their first webhook: known to WhatsApp, known only by our id, and in doubt. */
const standings = ['named', 'accepted', 'unknown'] as const;
const standingOf = (message: number) => standings[message % standings.length] ?? 'named';
const wamidOf = (id: string) => `wamid.${id}`;

interface Told {
  messages: number;
  facts: number;
  seed: number;
  /** Further replicas on the same database. */
  others?: readonly Replica[];
}

/**
 * Gives webhooks to replicas of one database in random order, with repeats and twins, and loses a tenth of them, while all replicas
 * apply what they recorded. `advance` moves the clock, so that entries are tried again.
 */
export async function manyFacts(
  store: Store,
  { others = [], ...size }: Told,
  advance: (ms: number) => Promise<void>,
): Promise<ManyFacts> {
  const random = createRandom(size.seed);
  const broadcast = `b${size.seed}`;
  const idOf = (message: number) => `${broadcast}-${message}`;
  await insertMessages(store, broadcast, size.messages);
  const told = lived(size, idOf, random);
  const movedBack: string[] = [];
  const replicas = [replicaOn(store), ...others];
  const startedAt = performance.now();
  const isReading = { value: true };
  const reading = watch(
    store,
    { idOf, messages: size.messages, random: createRandom(size.seed + 1) },
    isReading,
    movedBack,
  );
  await Promise.all(
    replicas.map((each, at) =>
      tellAll(
        each,
        told.filter((_, n) => n % replicas.length === at),
      ),
    ),
  );
  await allApplied(store, replicas);
  const perSecond = (told.length / (performance.now() - startedAt)) * 1_000;
  // A webhook that came before its message had that id is tried again after up to ten minutes.
  for (let passes = 0; passes < 6; passes += 1) {
    await advance(600_000);
    await allApplied(store, replicas);
  }
  isReading.value = false;
  await reading;
  for (const replica of replicas) movedBack.push(...(await replica.stop()));
  const wrong = await wrongOnes(store, told, { messages: size.messages, idOf });
  return { given: told.length, wrong, movedBack, perSecond };
}

async function insertMessages(store: Store, broadcast: string, messages: number): Promise<void> {
  await insertPublished(store, broadcast, messages);
  for (let done = 0; done < messages; ) {
    const claimed = await store.claimBatch(broadcast, 500);
    done += claimed.length;
    const completions = claimed.map(({ id }) => {
      const standing = standingOf(Number(id.slice(broadcast.length + 1)));
      const status = standing === 'unknown' ? 'unknown' : 'accepted';
      return { id, status, outcome: OUTCOME, ...(standing === 'named' && { whatsappMessageId: wamidOf(id) }) } as const;
    });
    await store.completeAll(completions);
  }
}

/** Generates the webhooks in order. All copies of a fact have the same time, so it does not matter which one is recorded. */
function lived({ messages, facts }: { messages: number; facts: number }, idOf: (n: number) => string, random: Random) {
  const told: Fact[] = [];
  for (let n = 0; n < facts; n += 1) {
    const message = random.between(0, messages - 1);
    const kind = random.pick(kinds);
    const at = T + ((message * 7 + kind.name.length * 131) % 1_000) * 1_000;
    const ids = { id: `wati-${idOf(message)}`, whatsappMessageId: wamidOf(idOf(message)) };
    const failure = kind.fails ? { failedCode: '131026', failedDetail: 'failed as 131026' } : {};
    const plain = { eventType: kind.name, ...ids, ...failure };
    const twins = [plain, { ...plain, eventType: `${kind.name}_v2`, localMessageId: idOf(message) }];
    for (const member of twins) {
      if (random.chance(lossRatio)) continue;
      const one = { message, member, at, facts: kind.fact(at), hasOurId: member !== plain };
      for (let copies = random.chance(0.2) ? 2 : 1; copies > 0; copies -= 1) told.push(one);
    }
  }
  return shuffled(told, random);
}

function shuffled<Value>(values: Value[], random: Random): Value[] {
  for (let last = values.length - 1; last > 0; last -= 1) {
    const other = random.between(0, last);
    const [one, two] = [values[last], values[other]];
    if (one === undefined || two === undefined) continue;
    [values[last], values[other]] = [two, one];
  }
  return values;
}

async function tellAll(replica: Replica, told: readonly Fact[]): Promise<void> {
  for (let at = 0; at < told.length; at += rowsAtOnce) {
    const rows = told.slice(at, at + rowsAtOnce).map(({ member, at: receivedAtMs }) => {
      const body = JSON.stringify(member);
      return { key: dedupeKey({ connectionId: 'c1', member, body }), connectionId: 'c1', receivedAtMs, body };
    });
    await replica.record(rows);
  }
}

interface Watched {
  idOf: (message: number) => string;
  messages: number;
  random: Random;
}

/** Checks that a reader never sees the state of a message move back. */
async function watch(store: Store, { idOf, messages, random }: Watched, isOn: { value: boolean }, movedBack: string[]) {
  const seen = new Map<string, number>();
  const some = Array.from({ length: 50 }, () => idOf(random.between(0, messages - 1)));
  while (isOn.value) {
    const id = random.pick([some[0] ?? '', ...some]);
    const rank = (await mustFind(store, id)).delivery?.rank ?? 0;
    if (rank < (seen.get(id) ?? 0)) movedBack.push(`${id} was seen to fall to ${rank}`);
    seen.set(id, rank);
    await sleep(5);
  }
}

async function allApplied(store: Store, replicas: readonly Replica[]): Promise<void> {
  for (;;) {
    for (const replica of replicas) replica.wake();
    const { waiting, failed: setAside } = await store.intakeState();
    if (setAside > 0) throw new Error(`${setAside} webhooks could not be applied`);
    if (waiting === 0) return;
    await sleep(20);
  }
}

/** Counts a fact if its message can be found: by its own id, which also reveals the other ids, or by a recorded id of WhatsApp's. */
async function wrongOnes(
  store: Store,
  told: readonly Fact[],
  { messages, idOf }: { messages: number; idOf: (n: number) => string },
): Promise<string[]> {
  const byMessage = Map.groupBy(told, ({ message }) => message);
  const check = async (message: number): Promise<string[]> => {
    const heard = byMessage.get(message) ?? [];
    const standing = standingOf(message);
    const isProved = heard.some(({ hasOurId }) => hasOurId);
    const counts = isProved || standing === 'named' ? heard : [];
    const expected = counts.length === 0 ? undefined : counts.map(({ facts }) => facts).reduce(joinFacts);
    const { status, delivery } = await mustFind(store, idOf(message));
    const { updatedAt: _, watiId, ...known } = delivery ?? { updatedAt: 0 };
    const isRight =
      status === (standing === 'unknown' && !isProved ? 'unknown' : 'accepted') &&
      isDeepStrictEqual(delivery && known, expected) &&
      (delivery === undefined || watiId === `wati-${idOf(message)}`);
    if (isRight) return [];
    return [`${idOf(message)} (${standing}) is ${status} ${JSON.stringify(delivery)}, not ${JSON.stringify(expected)}`];
  };
  const wrong: string[] = [];
  for (let from = 0; from < messages; from += readsAtOnce) {
    const some = Array.from({ length: Math.min(readsAtOnce, messages - from) }, (_, n) => check(from + n));
    wrong.push(...(await Promise.all(some)).flat());
  }
  return wrong;
}
