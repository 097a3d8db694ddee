import { COUNTED_MAX } from './counted.ts';
import { type Dialect, type Statement, statement } from './engine.ts';
import { ATTEMPTS_MAX } from './webhook-schema.ts';

export interface EndpointStatements {
  readonly create: Statement;
  readonly count: Statement;
  readonly find: Statement;
  readonly list: Statement;
  readonly removeParked: Statement;
  readonly remove: Statement;
  readonly rotate: Statement;
  readonly hasLost: Statement;
  readonly adopt: Statement;
  readonly own: Statement;
}

const COLUMNS = `id, caller, url, types_json, description, status, reason, created_at, updated_at, secret_version, previous_until,
  epoch, position, ahead, replay_request, replay_position, replay_until, replay_ahead, failures, failing_since, last_success_at`;
const OF_CALLER = 'caller = :caller AND id = :id';

export function endpointStatements({ deadOwners, leaseIsValid, skipLockedAny }: Dialect): EndpointStatements {
  const lost = `owner IN (${deadOwners('endpoints')})`;
  return {
    // Takes the first free place. If two requests take the same one, one of them inserts nothing.
    create: statement(`
      WITH RECURSIVE places (place) AS (SELECT 1 UNION ALL SELECT place + 1 FROM places WHERE place < CAST(:most AS INTEGER))
      INSERT INTO webhook_endpoints
        (id, caller, place, url, types_json, description, status, created_at, updated_at, position)
      SELECT :id, :caller, MIN(place), :url, :types, :description, 'enabled', CAST(:wall AS BIGINT), CAST(:wall AS BIGINT),
        CAST(:position AS BIGINT)
      FROM places WHERE place NOT IN (SELECT taken.place FROM webhook_endpoints AS taken WHERE taken.caller = :caller)
      HAVING MIN(place) IS NOT NULL
      ON CONFLICT (caller, place) DO NOTHING RETURNING ${COLUMNS}`),
    count: statement('SELECT COUNT(*) AS n FROM webhook_endpoints WHERE caller = :caller'),
    find: statement(`SELECT ${COLUMNS} FROM webhook_endpoints WHERE ${OF_CALLER}`),
    list: statement(`SELECT ${COLUMNS} FROM webhook_endpoints WHERE caller = :caller ORDER BY created_at, place`),
    removeParked: statement(`
      DELETE FROM webhook_parked WHERE endpoint_id IN (SELECT id FROM webhook_endpoints WHERE ${OF_CALLER}) AND event_seq IN
        (SELECT event_seq FROM webhook_parked WHERE endpoint_id = :id ORDER BY event_seq DESC LIMIT :limit)
      RETURNING event_seq`),
    remove: statement(`DELETE FROM webhook_endpoints WHERE ${OF_CALLER} RETURNING id`),
    rotate: statement(`
      UPDATE webhook_endpoints SET secret_version = secret_version + 1, previous_until = :until, updated_at = :wall
      WHERE ${OF_CALLER} RETURNING ${COLUMNS}`),
    hasLost: statement(`SELECT 1 AS one FROM webhook_endpoints WHERE ${lost} LIMIT 1`),
    adopt: statement(`
      WITH orphans AS MATERIALIZED (SELECT id AS orphan FROM webhook_endpoints WHERE ${lost} ${skipLockedAny})
      UPDATE webhook_endpoints SET owner = :me, epoch = epoch + 1
      WHERE id IN (SELECT orphan FROM orphans) AND ${leaseIsValid} RETURNING id`),
    own: statement(`SELECT ${COLUMNS} FROM webhook_endpoints WHERE owner = :me ORDER BY created_at, id`),
  };
}

export interface EndpointChangeColumns {
  url: boolean;
  types: boolean;
  description: boolean;
  status: boolean;
  position: boolean;
}

/**
 * Applies to the given columns. The epoch changes, so what a dispatcher knows about status and position becomes
 * outdated.
 */
export function changeStatement(changed: EndpointChangeColumns): Statement {
  const sets = [
    'updated_at = :wall',
    ...(changed.url ? ['url = :url'] : []),
    ...(changed.types ? ['types_json = :types'] : []),
    ...(changed.description ? ['description = :description'] : []),
    ...(changed.status ? STATUS_CHANGE : []),
    ...(changed.position ? ["position = :position, ahead = '[]', replay_position = NULL, replay_until = NULL"] : []),
    ...(changed.status || changed.position ? ['epoch = epoch + 1'] : []),
  ];
  return statement(`UPDATE webhook_endpoints SET ${sets.join(', ')} WHERE ${OF_CALLER} RETURNING ${COLUMNS}`);
}

/** Enabling an endpoint clears its failures, even if it was enabled. */
const STATUS_CHANGE: readonly string[] = [
  `reason = CASE WHEN :status = 'enabled' THEN NULL WHEN status = 'disabled' THEN reason ELSE 'caller' END`,
  `failures = CASE WHEN :status = 'enabled' THEN 0 ELSE failures END`,
  `failing_since = CASE WHEN :status = 'enabled' THEN NULL ELSE failing_since END`,
  'status = :status',
];

export interface ProgressStatements {
  readonly save: Statement;
  readonly unpark: Statement;
  readonly park: Statement;
  readonly attempts: Statement;
  readonly facts: Statement;
  readonly due: Statement;
  readonly nextDue: Statement;
  readonly counts: Statement;
}

const FACTS = {
  place: 'INTEGER',
  caller: 'TEXT',
  connection: 'TEXT',
  type: 'TEXT',
  fact: 'TEXT',
  at: 'BIGINT',
  contact: 'TEXT',
  send_seq: 'BIGINT',
  detail: 'TEXT',
} as const;

export function progressStatements({ now, inputRows }: Dialect): ProgressStatements {
  // Runs after `save` in one transaction, which has locked the row if this process still serves it.
  const ours = 'EXISTS (SELECT 1 FROM webhook_endpoints WHERE id = :id AND epoch = CAST(:epoch AS BIGINT))';
  const counted = (state: string): string => `
    (SELECT COUNT(*) FROM (SELECT 1 FROM webhook_parked
       WHERE webhook_parked.endpoint_id = given.id AND webhook_parked.state = '${state}' LIMIT ${COUNTED_MAX}) AS some_${state})`;
  const ofReplay = 'replay_request = CAST(:request AS BIGINT)';
  return {
    save: statement(`
      UPDATE webhook_endpoints SET position = :position, ahead = :ahead, failures = :failures, failing_since = :failingSince,
        last_success_at = :lastSuccessAt, attempts = attempts + CAST(:attempts AS BIGINT),
        status = CASE WHEN CAST(:disable AS TEXT) IS NULL THEN status ELSE 'disabled' END,
        reason = COALESCE(CAST(:disable AS TEXT), reason),
        replay_position = CASE WHEN ${ofReplay} THEN CAST(:replayPosition AS BIGINT) ELSE replay_position END,
        replay_until = CASE WHEN ${ofReplay} THEN CAST(:replayUntil AS BIGINT) ELSE replay_until END,
        replay_ahead = CASE WHEN ${ofReplay} THEN CAST(:replayAhead AS TEXT) ELSE replay_ahead END
      WHERE id = :id AND epoch = CAST(:epoch AS BIGINT) RETURNING id`),
    unpark: statement(`
      DELETE FROM webhook_parked WHERE endpoint_id = :id AND ${ours}
        AND event_seq IN (SELECT given.seq FROM ${inputRows({ seq: 'BIGINT' })})`),
    park: statement(`
      INSERT INTO webhook_parked (endpoint_id, event_seq, state, tries, next_at, at, last_status, last_error)
      SELECT :id, events.seq, given.state, given.tries, ${now} + given.due_in, CAST(:wall AS BIGINT), given.status, given.error
      FROM ${inputRows({ seq: 'BIGINT', state: 'TEXT', tries: 'INTEGER', due_in: 'BIGINT', status: 'INTEGER', error: 'TEXT' })}
      JOIN events ON events.seq = given.seq
      WHERE ${ours}
      ON CONFLICT (endpoint_id, event_seq) DO UPDATE SET state = excluded.state, tries = excluded.tries,
        next_at = excluded.next_at, at = excluded.at, last_status = excluded.last_status, last_error = excluded.last_error`),
    // These are included in `attempts` already.
    attempts: statement(`
      INSERT INTO webhook_attempts (endpoint_id, place, n, event_seq, at, status, ms, error)
      SELECT :id, (endpoint.attempts - given.back) % ${ATTEMPTS_MAX}, endpoint.attempts - given.back, given.seq, given.at,
        given.status, given.ms, given.error
      FROM ${inputRows({ back: 'INTEGER', seq: 'BIGINT', at: 'BIGINT', status: 'INTEGER', ms: 'INTEGER', error: 'TEXT' })}
      JOIN webhook_endpoints AS endpoint ON endpoint.id = :id AND endpoint.epoch = CAST(:epoch AS BIGINT)
      WHERE TRUE
      ON CONFLICT (endpoint_id, place) DO UPDATE SET n = excluded.n, event_seq = excluded.event_seq, at = excluded.at,
        status = excluded.status, ms = excluded.ms, error = excluded.error`),
    // Parked because its caller asked for a replay.
    facts: statement(`
      INSERT INTO event_facts (caller, connection_id, type, fact, at, contact, send_seq, detail_json)
      SELECT given.caller, given.connection, given.type, given.fact, given.at, given.contact, given.send_seq, given.detail
      FROM ${inputRows(FACTS)} JOIN event_subscriptions AS asked ON asked.caller = given.caller AND asked.type = given.type
      WHERE ${ours} ORDER BY given.place`),
    due: statement(`
      SELECT parked.event_seq, parked.state, parked.tries, parked.next_at - ${now} AS due_in, parked.last_status, parked.last_error,
        events.seq, events.id, events.caller, events.connection_id, events.type, events.fact, events.at, events.contact, events.data
      FROM webhook_parked AS parked JOIN events ON events.seq = parked.event_seq
      WHERE parked.endpoint_id = :id AND parked.state = 'pending' AND parked.next_at <= ${now}
      ORDER BY parked.next_at, parked.event_seq LIMIT :limit`),
    nextDue: statement(`
      SELECT MIN(next_at) - ${now} AS due_in FROM webhook_parked WHERE endpoint_id = :id AND state = 'pending'`),
    counts: statement(`
      SELECT given.id, ${counted('pending')} AS pending, ${counted('failed')} AS failed FROM ${inputRows({ id: 'TEXT' })}`),
  };
}
