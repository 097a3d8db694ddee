import { type Dialect, type Statement, statement } from './engine.ts';

/** Text columns that identify the person. The latest known value is kept. */
const NAMES = ['phone', 'bsuid', 'parent_bsuid', 'contact_id', 'username', 'name', 'wati_conversation_id'] as const;
/** Times. The latest is kept. */
const TIMES = ['closed_at', 'last_foreign_out_at'] as const;

const COLUMNS = `connection_id, contact, ${NAMES.join(', ')}, last_in_at, last_in_source, ${TIMES.join(', ')},
  provisional_out_at, provisional_entry, told_at`;

const isLater = (column: string): string =>
  `(excluded.${column} IS NOT NULL AND (stored.${column} IS NULL OR excluded.${column} > stored.${column}))`;
const when = (condition: string, column: string): string =>
  `${column} = CASE WHEN ${condition} THEN excluded.${column} ELSE stored.${column} END`;

const JOINED = [
  ...NAMES.map((column) => `${column} = COALESCE(excluded.${column}, stored.${column})`),
  ...TIMES.map((column) => when(isLater(column), column)),
  ...['last_in_at', 'last_in_source'].map((column) => when(isLater('last_in_at'), column)),
  ...['provisional_out_at', 'provisional_entry'].map((column) => when(isLater('provisional_out_at'), column)),
  'told_at = excluded.told_at',
].join(', ');

export interface ConversationStatements {
  readonly endProvisional: Statement;
  readonly note: Statement;
  readonly find: Statement;
  readonly findAnywhere: Statement;
  readonly erase: Statement;
  readonly expire: Statement;
}

export function conversationStatements({ now, skipLockedAny, inputRows }: Dialect): ConversationStatements {
  const people = inputRows({ phone: 'TEXT', bsuid: 'TEXT', contact_id: 'TEXT' });
  const by = (column: 'phone' | 'bsuid' | 'contact_id', also: string): string => `
    SELECT ${COLUMNS} FROM conversations
    WHERE ${column} IS NOT NULL AND ${column} IN (SELECT given.${column} FROM ${people}) ${also}`;
  const find = (also: string): string => [by('phone', also), by('bsuid', also), by('contact_id', also)].join(' UNION ');
  return {
    endProvisional: statement(`
      UPDATE conversations SET provisional_out_at = NULL, provisional_entry = NULL
      FROM ${inputRows({ connection: 'TEXT', contact: 'TEXT', entry: 'BIGINT' })}
      WHERE conversations.connection_id = given.connection AND conversations.contact = given.contact
        AND conversations.provisional_entry = given.entry`),
    // In the order of their keys, so that two processes lock rows in the same order.
    note: statement(`
      INSERT INTO conversations AS stored (connection_id, contact, ${NAMES.join(', ')}, last_in_at, last_in_source,
        ${TIMES.join(', ')}, provisional_out_at, provisional_entry, told_at)
      SELECT given.connection, given.contact, ${NAMES.map((name) => `given.${name}`).join(', ')}, given.last_in_at,
        given.last_in_source, ${TIMES.map((time) => `given.${time}`).join(', ')}, given.provisional_out_at, given.provisional_entry, ${now}
      FROM ${inputRows({
        connection: 'TEXT',
        contact: 'TEXT',
        phone: 'TEXT',
        bsuid: 'TEXT',
        parent_bsuid: 'TEXT',
        contact_id: 'TEXT',
        username: 'TEXT',
        name: 'TEXT',
        wati_conversation_id: 'TEXT',
        last_in_at: 'BIGINT',
        last_in_source: 'TEXT',
        closed_at: 'BIGINT',
        last_foreign_out_at: 'BIGINT',
        provisional_out_at: 'BIGINT',
        provisional_entry: 'BIGINT',
      })}
      WHERE TRUE ORDER BY given.connection, given.contact
      ON CONFLICT (connection_id, contact) DO UPDATE SET ${JOINED}`),
    find: statement(find('AND connection_id = :connection')),
    findAnywhere: statement(find('')),
    erase: statement(`
      DELETE FROM conversations WHERE (connection_id, contact) IN
        (SELECT given.connection, given.contact FROM ${inputRows({ connection: 'TEXT', contact: 'TEXT' })}) RETURNING contact`),
    expire: statement(`
      WITH old AS MATERIALIZED
        (SELECT connection_id, contact FROM conversations WHERE told_at <= ${now} - CAST(:recordRetentionMs AS BIGINT)
         ORDER BY told_at LIMIT :limit ${skipLockedAny})
      DELETE FROM conversations WHERE (connection_id, contact) IN (SELECT connection_id, contact FROM old) RETURNING contact`),
  };
}
