import { Counter, type Registry } from '@prometheus-io/client';
import { cachedWithTimeout, metricFactories } from './metric-factories.ts';

/** Metrics of the listener for webhooks. Event names are those that are known, and `other`. */
export interface IntakeCounts {
  count(event: string, result: string, n: number): void;
  onBadToken(): void;
  /** A message over this connection was accepted. */
  onAccepted(connection: string): void;
}

/** Sources of gauges, read at each scrape. */
export interface IntakeStanding {
  /** Entries in the store that wait to be applied, and those that were set aside. */
  state(): Promise<{ waiting: number; oldestMs: number; failed: number }>;
  /** Rows that wait in the spool, if there is one. */
  spooled?(): Promise<{ waiting: number; oldestMs: number }>;
  /** Wall clock of the last event of each connection with a token. */
  lastEvents(): ReadonlyMap<string, number>;
  file(): { valid: boolean; sinceMs: number };
  now(): number;
}

/** Connections come from the tokens file alone, so their number is bounded. */
export function countIntake(registry: Registry, connections: () => readonly string[]): IntakeCounts {
  const events = new Counter({
    name: 'wati_bff_intake_events_total',
    help: 'Events that webhooks brought: recorded (`new`), known already (`duplicate`), not read (`unparsed`), or refused with a 503 (`refused`)',
    labelNames: ['event', 'result'] as const,
    registers: [registry],
  });
  for (const result of ['new', 'duplicate', 'unparsed', 'refused']) events.inc({ event: 'other', result }, 0);
  const badTokens = new Counter({
    name: 'wati_bff_intake_bad_tokens_total',
    help: 'Requests to the public listener without a valid token, or to another path',
    registers: [registry],
  });
  const accepted = new Map<string, number>();
  metricFactories(registry).counter(
    {
      name: 'intake_accepted_sends_total',
      help: 'Messages accepted over connections that have a token: events of them are to be expected',
      labels: ['connection'],
    },
    () => connections().map((connection) => [{ connection }, accepted.get(connection) ?? 0]),
  );
  return {
    count: (event, result, n) => events.inc({ event, result }, n),
    onBadToken: () => badTokens.inc(),
    onAccepted: (connection) => {
      if (connections().includes(connection)) accepted.set(connection, (accepted.get(connection) ?? 0) + 1);
    },
  };
}

/** Adds gauges of what waits, and of the time since the last event. */
export function addIntakeGauges(registry: Registry, standing: IntakeStanding, restMs: number): void {
  const { gauge } = metricFactories(registry);
  const state = cachedWithTimeout(standing.state, restMs);
  const spooled = cachedWithTimeout(standing.spooled ?? (async () => ({ waiting: 0, oldestMs: 0 })), 0);
  const since = (ms: number) => Math.max(0, standing.now() - ms) / 1000;

  gauge(
    {
      name: 'intake_backlog_events',
      help: 'Events that are not applied: due in the store (`waiting`), in the spool (`spooled`), or set aside (`failed`); each is counted up to 10,000',
      labels: ['state'],
    },
    async () => {
      const [known, inSpool] = await Promise.all([state(), spooled()]);
      return [
        ...(known
          ? ([
              [{ state: 'waiting' }, known.waiting],
              [{ state: 'failed' }, known.failed],
            ] as const)
          : []),
        ...(inSpool ? [[{ state: 'spooled' }, inSpool.waiting] as const] : []),
      ];
    },
  );
  gauge({ name: 'intake_oldest_seconds', help: 'How long the oldest of those that are due has waited' }, async () => {
    const [known, inSpool] = await Promise.all([state(), spooled()]);
    if (!known && !inSpool) return [];
    return [[{}, Math.max(known?.oldestMs ?? 0, inSpool?.oldestMs ?? 0) / 1000]];
  });
  gauge(
    {
      name: 'intake_last_event_seconds',
      help: 'How long ago this replica had the last event of a connection that has a token; from its start on, where none came',
      labels: ['connection'],
    },
    () => [...standing.lastEvents()].map(([connection, at]) => [{ connection }, since(at)]),
  );
  gauge(
    {
      name: 'intake_tokens_file_valid',
      help: '1 while the tokens file can be used; 0: it has faults, and an older version is in force',
    },
    () => [[{}, standing.file().valid ? 1 : 0]],
  );
  gauge({ name: 'intake_tokens_file_age_seconds', help: 'How long ago the version in force was read' }, () => [
    [{}, since(standing.file().sinceMs)],
  ]);
}
