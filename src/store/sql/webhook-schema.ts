/**
 * Tables of webhook endpoints. `next_at` is in the ageing clock; all other times are wall clock. `position` and
 * `ahead` are event numbers: all events up to `position` are settled, and those listed in the JSON array `ahead`
 * behind it.
 */
export const webhookTables: readonly string[] = [
  // `place` numbers the endpoints of a caller, so that two concurrent requests cannot both take the last one.
  `CREATE TABLE webhook_endpoints (
     id TEXT PRIMARY KEY,
     caller TEXT NOT NULL,
     place INTEGER NOT NULL,
     url TEXT NOT NULL,
     types_json TEXT NOT NULL,
     description TEXT,
     status TEXT NOT NULL,
     reason TEXT,
     created_at BIGINT NOT NULL,
     updated_at BIGINT NOT NULL,
     secret_version INTEGER NOT NULL DEFAULT 1,
     previous_until BIGINT,
     owner BIGINT NOT NULL DEFAULT 0,
     epoch BIGINT NOT NULL DEFAULT 0,
     position BIGINT NOT NULL,
     ahead TEXT NOT NULL DEFAULT '[]',
     replay_request BIGINT NOT NULL DEFAULT 0,
     replay_position BIGINT,
     replay_until BIGINT,
     replay_ahead TEXT NOT NULL DEFAULT '[]',
     failures BIGINT NOT NULL DEFAULT 0,
     failing_since BIGINT,
     last_success_at BIGINT,
     attempts BIGINT NOT NULL DEFAULT 0,
     UNIQUE (caller, place)
   )`,
  'CREATE INDEX webhook_endpoints_owner ON webhook_endpoints (owner)',
  // Failed events, which are tried again or were given up.
  `CREATE TABLE webhook_parked (
     endpoint_id TEXT NOT NULL REFERENCES webhook_endpoints (id) ON DELETE CASCADE,
     event_seq BIGINT NOT NULL REFERENCES events (seq) ON DELETE CASCADE,
     state TEXT NOT NULL,
     tries INTEGER NOT NULL,
     next_at BIGINT NOT NULL,
     at BIGINT,
     last_status INTEGER,
     last_error TEXT,
     PRIMARY KEY (endpoint_id, event_seq)
   )`,
  "CREATE INDEX webhook_parked_due ON webhook_parked (endpoint_id, next_at, event_seq) WHERE state = 'pending'",
  'CREATE INDEX webhook_parked_state ON webhook_parked (endpoint_id, state, event_seq)',
  'CREATE INDEX webhook_parked_event ON webhook_parked (event_seq)',
  // A ring: each attempt overwrites the row of the one a thousand before it.
  `CREATE TABLE webhook_attempts (
     endpoint_id TEXT NOT NULL REFERENCES webhook_endpoints (id) ON DELETE CASCADE,
     place INTEGER NOT NULL,
     n BIGINT NOT NULL,
     event_seq BIGINT NOT NULL,
     at BIGINT NOT NULL,
     status INTEGER,
     ms INTEGER NOT NULL,
     error TEXT,
     PRIMARY KEY (endpoint_id, place)
   )`,
];

/** The number of attempts that are kept for each endpoint. */
export const ATTEMPTS_MAX = 1_000;
