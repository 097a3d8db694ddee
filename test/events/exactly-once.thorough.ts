import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { EventReader } from '../../src/events/event-reader.ts';
import { eventStream } from '../../src/events/event-stream.ts';
import { type Events, openEvents } from '../../src/events/open-events.ts';
import type { EventStore } from '../../src/store/event-store.ts';
import { MemoryEvents, noRecorder } from '../support/memory-event-store.ts';

const callers = ['a', 'b', 'c'] as const;
const types = ['message.sent', 'message.failed'] as const;
const mayUse = (connection: string) => connection !== 'closed';

const anEvent = fc.record({
  caller: fc.constantFrom('a', 'a', 'b'),
  type: fc.constantFrom(...types),
  connectionId: fc.constantFrom('open', 'open', 'closed'),
  // Some of which a stream can hold few.
  data: fc.constantFrom('{}', '{}', JSON.stringify({ text: 'x'.repeat(50_000) })),
});
type Step = { record: Parameters<MemoryEvents['record']>[0][] };
const records: fc.Arbitrary<Step[]> = fc.array(
  fc.record({ record: fc.array(anEvent, { minLength: 1, maxLength: 120 }) }),
  { minLength: 1, maxLength: 8 },
);

const wanted = (
  events: readonly { caller: string; type: string; connectionId: string; id: string }[],
  caller: string,
) => events.filter((event) => event.caller === caller && mayUse(event.connectionId));

it('a reader by cursor gets each event once and in order, however reading and recording alternate', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.oneof(anEvent, fc.constantFrom(...callers)), { maxLength: 60 }),
      fc.integer({ min: 1, max: 4 }),
      fc.integer({ min: 1, max: 7 }),
      async (steps, limit, scanMax) => {
        const memory = new MemoryEvents({ scanMax });
        const { feed } = await openEvents(memory.open(), noRecorder, fail);
        const recorded: ReturnType<MemoryEvents['record']>[] = [];
        const read = new Map<string, string[]>(callers.map((caller) => [caller, []]));
        const cursors = new Map<string, string>();
        const readPage = async (caller: string) => {
          const from = await feed.startAt(caller, cursors.get(caller) ?? 'earliest');
          if (!from) throw new Error('a cursor of its own was refused');
          const page = await feed.read(caller, from, { mayUse, limit });
          expect(page.events.length).toBeLessThanOrEqual(limit);
          cursors.set(caller, feed.cursorAt(caller, page.position));
          read.get(caller)?.push(...page.events.map(({ id }) => id));
          return page.hasMore;
        };
        for (const step of steps) {
          if (typeof step === 'string') await readPage(step);
          else recorded.push(memory.record(step));
        }
        for (const caller of callers) while (await readPage(caller));
        for (const caller of callers) expect(read.get(caller)).toEqual(wanted(recorded, caller).map(({ id }) => id));
      },
    ),
    { numRuns: 100 },
  );
});

it('a stream tells each event once and in order, however it joins, lags, is cut off and comes back', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.scheduler(),
      records,
      fc.array(fc.constantFrom(0, 2, 3, 5), { minLength: 3, maxLength: 9 }),
      async (s, steps, cuts) => {
        const memory = new MemoryEvents({ scanMax: 20 });
        const scheduled = delayed(memory.open(), s);
        const events = await openEventsOf(scheduled, s);
        // More than one page, of two of them.
        const recorded = Array.from({ length: 200 }, (_, n) =>
          memory.record({ caller: n % 2 ? 'a' : 'b', connectionId: '' }),
        );
        const recording = s.scheduleSequence([
          ...steps.map(({ record }, at) => ({
            label: `record ${at}`,
            builder: async () => void recorded.push(...record.map((event) => memory.record(event))),
          })),
          {
            label: 'the end',
            builder: async () =>
              void recorded.push(...callers.map((caller) => memory.record({ caller, connectionId: 'end' }))),
          },
        ]);
        const streams = cuts.map((cut, at) => follow(events, { caller: callers[at % 3] ?? 'a', cut }));
        await s.waitFor(Promise.all([recording.task, ...streams]));
        for (const [at, stream] of streams.entries()) {
          const caller = callers[at % 3] ?? 'a';
          expect(await stream).toEqual(wanted(recorded, caller).map(({ id }) => id));
        }
        await s.waitFor(events.hub.close());
      },
    ),
    { numRuns: 60 },
  );
});

const fail = (error: unknown) => {
  throw error;
};

/** Each answer of the store comes when the scheduler wants it, before or after what else goes on. */
function delayed(store: EventStore, s: fc.Scheduler): EventStore {
  const late =
    <Ask extends unknown[], Answer>(operation: (...ask: Ask) => Promise<Answer>) =>
    async (...ask: Ask): Promise<Answer> => {
      await s.schedule(Promise.resolve());
      const answer = await operation(...ask);
      await s.schedule(Promise.resolve());
      return answer;
    };
  return {
    ...store,
    eventPositions: late(store.eventPositions),
    readEvents: late(store.readEvents),
    readNewEvents: late(store.readNewEvents),
  };
}

const openEventsOf = (store: EventStore, s: fc.Scheduler): Promise<Events> =>
  s.waitFor(openEvents(store, noRecorder, fail));

/** A client that reads from the start to the end, and is cut off after each so many portions, the first of which is no event; 0: never. */
async function follow(
  { feed, hub, frame }: Events,
  { caller, cut }: { caller: string; cut: number },
): Promise<string[]> {
  const ids: string[] = [];
  let cursor = 'earliest';
  for (;;) {
    const reader: EventReader = hub.join(caller);
    const from = await feed.startAt(caller, cursor);
    const ask = { reader, position: from?.seq ?? 0, rights: () => ({ mayUse }), isOver: () => false };
    let portions = 0;
    for await (const portion of eventStream({ feed, frame, onFault: fail }, ask)) {
      cursor = portion.match(/(?<=^id: ).*$/gm)?.at(-1) ?? cursor;
      const told = [...portion.matchAll(/(?<=^data: ).*$/gm)].map(([data]) => JSON.parse(data));
      ids.push(...told.map(({ id }) => id));
      if (told.at(-1)?.connectionId === 'end') {
        hub.leave(reader);
        return ids;
      }
      portions += 1;
      if (portions === cut) break;
    }
    hub.leave(reader);
  }
}
