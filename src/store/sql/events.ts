import type { EventPage, EventStore, EventSubscription, NewEvent, StoredEvent } from '../event-store.ts';
import type { Dialect, Engine, Row, Value } from './engine.ts';
import { expireEventSteps } from './event-retention.ts';
import { toEvent, toPendingFact } from './event-row.ts';
import { type EventStatements, eventStatements, lockNumbersStep, SCANNED_MAX } from './event-statements.ts';
import { bySequence, integer, optional, required, toSqlText } from './row-mapping.ts';

interface Database {
  engine: Engine;
  sql: EventStatements;
}

/** The operations of src/store/event-store.ts, in SQL that both databases speak. */
export function createEventStore(engine: Engine, dialect: Dialect): EventStore {
  const database = { engine, sql: eventStatements(dialect) };
  return {
    ...subscribing(database),
    ...recording(database, dialect),
    ...reading(database),
    onForeignEvents: (listener) => engine.onForeignEvents(listener),
    async expireEvents(eventRetentionMs, limit) {
      const [, expired = []] = await engine.write(expireEventSteps(dialect, { eventRetentionMs }, limit));
      return expired.length;
    },
  };
}

function subscribing({ engine, sql }: Database): Pick<EventStore, 'setSubscriptions'> {
  return {
    async setSubscriptions(subscriptions) {
      const asked = pairsOf(subscriptions);
      const kept = await engine.read({ statement: sql.subscriptions, values: {} });
      const known = new Set(kept.map((row) => JSON.stringify([row.caller, row.type])));
      if (known.size === asked.size && [...asked.keys()].every((pair) => known.has(pair))) return;
      const values = { rows: JSON.stringify([...asked.values()]) };
      const changes = [sql.unsubscribe, sql.subscribe, sql.dropUnasked].map((statement) => ({ statement, values }));
      // The lock serializes processes that do this at the same time.
      await engine.write([lockNumbersStep(sql), ...changes]);
    },
  };
}

function pairsOf(subscriptions: readonly EventSubscription[]): Map<string, { caller: string; type: string }> {
  const pairs = subscriptions.flatMap(({ caller, types }) => types.map((type) => ({ caller, type })));
  return new Map(pairs.map((pair) => [JSON.stringify([pair.caller, pair.type]), pair]));
}

function recording(
  { engine, sql }: Database,
  { announceEvents }: Dialect,
): Pick<EventStore, 'pendingFacts' | 'recordEvents'> {
  return {
    async pendingFacts(limit) {
      return (await engine.read({ statement: sql.pending, values: { limit } })).map(toPendingFact);
    },

    async recordEvents(events, done) {
      const taken = new Set([...events.map(({ factSeq }) => factSeq), ...done]);
      if (taken.size === 0) return [];
      const takeOut = { statement: sql.takeOut, values: { rows: JSON.stringify([...taken].map((seq) => ({ seq }))) } };
      if (events.length === 0) {
        await engine.write([lockNumbersStep(sql), takeOut]);
        return [];
      }
      const first = onceEach(events);
      const [, inserted = []] = await engine.write([
        lockNumbersStep(sql),
        { statement: sql.insert, values: { rows: JSON.stringify(first.map(eventValues)) } },
        { statement: sql.advance, values: {} },
        takeOut,
        ...(announceEvents === undefined ? [] : [{ statement: announceEvents, values: {} }]),
      ]);
      return recorded(first, inserted);
    },
  };
}

/** The first event of each fact. */
function onceEach<Event extends NewEvent>(events: readonly Event[]): Event[] {
  const first = new Map<string, Event>();
  for (const event of events) {
    const fact = JSON.stringify([event.caller, event.fact]);
    if (!first.has(fact)) first.set(fact, event);
  }
  return [...first.values()];
}

const eventValues = (event: NewEvent & { factSeq: number }, place: number): Record<string, Value> => ({
  place,
  fact_seq: event.factSeq,
  id: event.id,
  caller: toSqlText(event.caller),
  connection: toSqlText(event.connectionId),
  type: toSqlText(event.type),
  fact: toSqlText(event.fact),
  contact: toSqlText(event.contact),
  at: event.at,
  data: event.data,
});

function recorded(events: readonly NewEvent[], inserted: readonly Row[]): StoredEvent[] {
  const byId = new Map(events.map((event) => [event.id, event]));
  return inserted.toSorted(bySequence).flatMap((row) => {
    const event = byId.get(required(row, 'id'));
    if (event === undefined) return [];
    const { id, caller, connectionId, type, fact, at, data } = event;
    const contact = optional(row, 'contact');
    return [
      {
        seq: integer(row, 'seq'),
        id,
        caller,
        connectionId,
        type,
        fact,
        at,
        ...(contact !== undefined && { contact }),
        data,
      },
    ];
  });
}

function reading({
  engine,
  sql,
}: Database): Pick<EventStore, 'eventPositions' | 'readEvents' | 'findEvent' | 'readNewEvents' | 'eventBefore'> {
  return {
    async eventPositions(caller) {
      const ask = { statement: sql.positions, values: { caller } };
      let [row] = await engine.read(ask);
      if (row === undefined) {
        await engine.write([lockNumbersStep(sql)]);
        [row = {}] = await engine.read(ask);
      }
      return { epoch: required(row, 'epoch'), last: integer(row, 'last'), purged: integer(row, 'purged') };
    },

    async readEvents(caller, { after, limit, types, connectionId }) {
      const most = types === undefined && connectionId === undefined ? limit + 1 : SCANNED_MAX;
      const values = {
        caller,
        after,
        limit: limit + 1,
        most,
        every: types === undefined ? 1 : 0,
        rows: JSON.stringify((types ?? []).map((type) => ({ type }))),
        connection: toSqlText(connectionId),
      };
      return pageOf(await engine.list({ statement: sql.page, values }), { limit, most });
    },

    async findEvent(caller, id) {
      const [row] = await engine.read({ statement: sql.find, values: { caller, id } });
      return row === undefined ? undefined : toEvent(row);
    },

    async readNewEvents(callers, { after, limit }) {
      if (callers.length === 0) return [];
      const rows = JSON.stringify([...new Set(callers)].map((caller) => ({ caller })));
      return (await engine.list({ statement: sql.newOfAll, values: { rows, after, limit } })).map(toEvent);
    },

    async eventBefore(caller, at) {
      const [row] = await engine.list({ statement: sql.before, values: { caller, at } });
      return row === undefined ? 0 : integer(row, 'seq');
    },
  };
}

function pageOf(rows: readonly Row[], { limit, most }: { limit: number; most: number }): EventPage {
  const found = rows.filter((row) => row.seq !== null).map(toEvent);
  const [ends = {}] = rows;
  const events = found.slice(0, limit);
  const last = events.at(-1);
  if (found.length > limit && last !== undefined) return { events, scannedTo: last.seq, hasMore: true };
  return { events, scannedTo: integer(ends, 'scan_end'), hasMore: integer(ends, 'scan_n') >= most };
}
