import type { ContactIdentity, Conversation, ConversationFacts, TrackingStore } from '../tracking-store.ts';
import { type ConversationStatements, conversationStatements } from './conversation-statements.ts';
import { retryDeadlocks } from './deadlocks.ts';
import type { Dialect, Engine, Row, Step, Value } from './engine.ts';
import { toEvent } from './event-row.ts';
import { eventStatements, lockNumbersStep } from './event-statements.ts';
import { intakeStatements } from './intake-statements.ts';
import { pollStatements } from './poll-statements.ts';
import { integer, optional, required, toSqlText } from './row-mapping.ts';

type Ids = Pick<ContactIdentity, 'phone' | 'bsuid' | 'contactId'>;
type Operations = Pick<
  TrackingStore,
  | 'noteConversations'
  | 'conversation'
  | 'countPersonTracking'
  | 'listPersonTracking'
  | 'listPersonEvents'
  | 'erasePersonTracking'
>;

/** The most lookups that find all rows of a person: a number leads to a BSUID, that to a contact id, and that to further rows. */
const ROUNDS_MAX = 4;

interface Database {
  engine: Engine;
  sql: ConversationStatements;
}

/** Implements the operations on persons of src/store/tracking-store.ts, in SQL that both databases understand. */
export function conversationOperations(engine: Engine, dialect: Dialect): Operations {
  const sql = conversationStatements(dialect);
  const database = { engine, sql };
  return {
    ...personOperations(database, dialect),

    async noteConversations(facts) {
      const steps = conversationSteps(sql, facts);
      if (steps.length > 0) await retryDeadlocks(() => engine.write(steps));
    },

    async conversation(connectionId, { phone, bsuid, contactId }) {
      const rows = await rowsOf(
        database,
        {
          ...(phone !== undefined && { phone }),
          ...(bsuid !== undefined && { bsuid }),
          ...(contactId !== undefined && { contactId }),
        },
        connectionId,
      );
      return rows.length === 0 ? undefined : joined(connectionId, rows);
    },
  };
}

function personOperations(
  database: Database,
  dialect: Dialect,
): Pick<Operations, 'countPersonTracking' | 'listPersonTracking' | 'listPersonEvents' | 'erasePersonTracking'> {
  const { engine, sql } = database;
  const intake = intakeStatements(dialect);
  const polls = pollStatements(dialect);
  const events = eventStatements(dialect);
  const personOf = async (to: string): Promise<{ conversations: Row[]; ids: string[] }> => {
    const conversations = await rowsOf(database, { phone: to, bsuid: to, contactId: to });
    const known = conversations.map(identityOf).flatMap(({ phone, bsuid, contactId }) => [phone, bsuid, contactId]);
    return { conversations, ids: [...new Set([to, ...known.filter((id) => id !== undefined)])] };
  };
  const bodiesWith = (ids: readonly string[]) => ({
    rows: JSON.stringify(ids.map((id) => ({ pattern: `%${id.replaceAll(/[!%_]/g, '!$&')}%` }))),
  });
  const contactsOf = (ids: readonly string[]) => ({ rows: JSON.stringify(ids.map((contact) => ({ contact }))) });
  return {
    async countPersonTracking(to) {
      const { conversations, ids } = await personOf(to);
      const [waiting = {}] = await engine.read({ statement: intake.countPerson, values: bodiesWith(ids) });
      const [counted = {}] = await engine.read({ statement: events.countPerson, values: contactsOf(ids) });
      return { conversations: conversations.length, waiting: integer(waiting, 'n'), events: integer(counted, 'n') };
    },

    async listPersonEvents(to, { after, limit }) {
      const { ids } = await personOf(to);
      const values = { ...contactsOf(ids), after, limit };
      return (await engine.read({ statement: events.listPerson, values })).map(toEvent);
    },

    async listPersonTracking(to) {
      const { conversations, ids } = await personOf(to);
      const byConnection = Map.groupBy(conversations, (row) => required(row, 'connection_id'));
      const webhooks = await engine.read({ statement: intake.listPerson, values: bodiesWith(ids) });
      return {
        conversations: [...byConnection].map(([connection, rows]) => joined(connection, rows)),
        webhooks: webhooks.map((row) => ({
          connectionId: required(row, 'connection_id'),
          receivedAtMs: integer(row, 'received_at'),
          body: required(row, 'body'),
        })),
      };
    },

    async erasePersonTracking(to) {
      const { conversations, ids } = await personOf(to);
      const keys = conversations.map((row) => ({ connection: row.connection_id, contact: row.contact }));
      const recipients = ids.map((recipient) => ({ recipient }));
      const steps = [
        { statement: intake.erasePerson, values: bodiesWith(ids) },
        { statement: polls.erase, values: { rows: JSON.stringify(recipients) } },
        ...(keys.length > 0 ? [{ statement: sql.erase, values: { rows: JSON.stringify(keys) } }] : []),
      ];
      // With the lock on the numbers, so that no fact becomes an event between the two deletes.
      const values = contactsOf(ids);
      const eventSteps = [events.erasePerson, events.eraseFacts].map((statement) => ({ statement, values }));
      const erased = await retryDeadlocks(() => engine.write([...steps, lockNumbersStep(events), ...eventSteps]));
      return erased.reduce((sum, each) => sum + each.length, 0);
    },
  };
}

/** All rows of a person, found by whichever id is known. */
async function rowsOf({ engine, sql }: Database, ids: Ids, connection?: string): Promise<Row[]> {
  let rows: Row[] = [];
  let known: Ids[] = [ids];
  for (let round = 0; round < ROUNDS_MAX; round++) {
    const values = { rows: JSON.stringify(known.map(idValues)) };
    const found = await engine.read(
      connection === undefined
        ? { statement: sql.findAnywhere, values }
        : { statement: sql.find, values: { ...values, connection } },
    );
    if (found.length <= rows.length) break;
    rows = found;
    known = [ids, ...found.map(identityOf)];
  }
  return rows;
}

const idValues = ({ phone, bsuid, contactId }: Ids) => ({
  phone: toSqlText(phone),
  bsuid: toSqlText(bsuid),
  contact_id: toSqlText(contactId),
});

/** The id under which a person is stored: the first of these that is known. */
const keyOf = ({ phone, bsuid, contactId }: ContactIdentity): string | undefined => phone ?? bsuid ?? contactId;

/** Joins rows with the same key, because a statement may contain each row only once. */
export function conversationSteps(sql: ConversationStatements, notes: readonly ConversationFacts[]): Step[] {
  const rows = new Map<string, Record<string, Value>>();
  const ended: Record<string, Value>[] = [];
  for (const facts of notes) {
    const contact = toSqlText(keyOf(facts.contact));
    if (contact === null) continue;
    const { endsProvisional: { entry } = {}, foreignOutAt } = facts;
    if (entry !== undefined) ended.push({ connection: facts.connectionId, contact, entry });
    if (entry !== undefined && foreignOutAt === undefined) continue;
    const place = JSON.stringify([facts.connectionId, contact]);
    rows.set(place, later(rows.get(place), rowOf(facts, contact)));
  }
  return [
    ...(ended.length > 0 ? [{ statement: sql.endProvisional, values: { rows: JSON.stringify(ended) } }] : []),
    ...(rows.size > 0 ? [{ statement: sql.note, values: { rows: JSON.stringify([...rows.values()]) } }] : []),
  ];
}

const rowOf = (
  { connectionId, contact: who, ...facts }: ConversationFacts,
  contact: string,
): Record<string, Value> => ({
  connection: connectionId,
  contact,
  ...idValues(who),
  parent_bsuid: toSqlText(who.parentBsuid),
  username: toSqlText(who.username),
  name: toSqlText(who.name),
  wati_conversation_id: toSqlText(who.watiConversationId),
  last_in_at: facts.inAt ?? null,
  last_in_source: facts.inAt === undefined ? null : (facts.inSource ?? 'webhook'),
  closed_at: facts.closedAt ?? null,
  last_foreign_out_at: facts.foreignOutAt ?? null,
  provisional_out_at: facts.provisionalOut?.at ?? null,
  provisional_entry: facts.provisionalOut?.entry ?? null,
});

/** Columns that are written together with a time. */
const WITH: Readonly<Record<string, string>> = {
  last_in_source: 'last_in_at',
  provisional_entry: 'provisional_out_at',
};

/** Joins two notes, as the statement does. */
function later(known: Record<string, Value> | undefined, given: Record<string, Value>): Record<string, Value> {
  if (known === undefined) return given;
  const isLater = (time: string) => Number(given[time] ?? 0) > Number(known[time] ?? 0);
  return Object.fromEntries(
    Object.entries(given).map(([column, value]) => {
      const time = WITH[column] ?? column;
      const isNewer = time.endsWith('_at') ? isLater(time) : value !== null;
      return [column, isNewer ? value : (known[column] ?? null)];
    }),
  );
}

function identityOf(row: Row): ContactIdentity {
  const names = {
    phone: optional(row, 'phone'),
    bsuid: optional(row, 'bsuid'),
    parentBsuid: optional(row, 'parent_bsuid'),
    contactId: optional(row, 'contact_id'),
    username: optional(row, 'username'),
    name: optional(row, 'name'),
    watiConversationId: optional(row, 'wati_conversation_id'),
  };
  return Object.fromEntries(Object.entries(names).filter(([, name]) => name !== undefined));
}

function joined(connectionId: string, rows: readonly Row[]): Conversation {
  // The last value of each name counts.
  const ordered = rows.toSorted((a, b) => integer(a, 'told_at') - integer(b, 'told_at'));
  const last = (...columns: string[]) => {
    const times = rows.flatMap((row) =>
      columns.flatMap((column) => (row[column] === null ? [] : integer(row, column))),
    );
    return times.length === 0 ? undefined : Math.max(...times);
  };
  const lastInAt = last('last_in_at');
  const closedAt = last('closed_at');
  const certainOutAt = last('last_foreign_out_at');
  const provisionalAt = last('provisional_out_at');
  const provisional = rows.find(
    (row) => row.provisional_out_at !== null && integer(row, 'provisional_out_at') === provisionalAt,
  );
  const lastForeignOutAt = last('last_foreign_out_at', 'provisional_out_at');
  const wrote = rows.find((row) => row.last_in_at !== null && integer(row, 'last_in_at') === lastInAt);
  return {
    ...Object.assign({}, ...ordered.map(identityOf)),
    connectionId,
    ...(lastInAt !== undefined && { lastInAt }),
    ...(wrote && { lastInSource: required(wrote, 'last_in_source') === 'history' ? 'history' : 'webhook' }),
    ...(closedAt !== undefined && { closedAt }),
    ...(certainOutAt !== undefined && { certainOutAt }),
    ...(provisional && {
      provisionalOut: {
        at: integer(provisional, 'provisional_out_at'),
        entry: integer(provisional, 'provisional_entry'),
      },
    }),
    ...(lastForeignOutAt !== undefined && { lastForeignOutAt }),
  };
}
