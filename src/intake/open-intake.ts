import type { Registry } from '@prometheus-io/client';
import type { FastifyBaseLogger } from 'fastify';
import { addIntakeGauges, countIntake } from '../observability/intake-metrics.ts';
import type { SharedPool } from '../pools/shared-pool.ts';
import type { IntakeStore } from '../store/intake-store.ts';
import { createIntake, reasonOf } from './intake.ts';
import { IntakeWatch } from './intake-watch.ts';
import { Spool } from './spool.ts';
import type { IntakeTokens } from './tokens.ts';

interface IntakeConfig {
  INTAKE_PORT?: number;
  INTAKE_HOST: string;
  INTAKE_SPOOL?: string;
  INTAKE_MAX_BYTES: number;
  INTAKE_IN_FLIGHT_MAX: number;
  INTAKE_WAIT_MS: number;
  STORE_URL: string;
}

interface IntakeWiring {
  tokens: IntakeTokens;
  onListening?: (port: number) => void;
  store: Pick<IntakeStore, 'recordIntake' | 'intakeState' | 'noteListening'>;
  registry: Registry;
  logger: FastifyBaseLogger;
  /** Absent: gaps in the listening are not noted. */
  onGap?: (connectionId: string, fromMs: number) => void;
  /** Wall clock, ms. */
  now?: () => number;
}

/** The listener for webhooks, as src/services.ts uses it. */
export interface OpenIntake {
  /** Listens, and moves rows that an earlier process left in the spool. Call after the store is ready. `onRecorded` wakes the applier. */
  start(onRecorded?: () => void): Promise<void>;
  readonly pools: readonly SharedPool[];
  onAccepted(connection: string): void;
  /** Close it last before the store: while it is closed, WATI counts each refused connection as a failure of the webhook. */
  close(): Promise<void>;
  cutOff(): void;
}

/** Opens the public listener with its spool and its metrics; undefined if no port is set. */
export async function openIntake(config: IntakeConfig, wiring: IntakeWiring): Promise<OpenIntake | undefined> {
  const { INTAKE_PORT: port, INTAKE_HOST: host, INTAKE_SPOOL: spoolUrl } = config;
  if (port === undefined) return undefined;
  const { tokens, store, registry, logger, onGap, now = Date.now } = wiring;
  let announce = () => {};
  const onRecorded = () => announce();
  const counts = countIntake(registry, tokens.connections);
  const spool =
    spoolUrl === undefined
      ? undefined
      : await Spool.open({
          path: spoolUrl.replace(/^file:(\/\/(?=\/))?/, ''),
          target: store,
          now,
          onFault: (error) => logger.error({ reason: reasonOf(error) }, 'the spool of webhooks cannot move on'),
          onMoved: onRecorded,
        });
  const onFault = (error: unknown) => logger.error({ reason: reasonOf(error) }, 'listening is not noted');
  const watch = onGap && new IntakeWatch({ store, connections: () => tokens.connections(), onGap, onFault });
  const intake = await createIntake({
    config,
    tokens,
    sink: spool ?? store,
    logger,
    now,
    count: counts.count,
    onBadToken: counts.onBadToken,
    ...(watch && { watch }),
    ...(!spool && { onRecorded }),
  });
  const standing = {
    state: () => store.intakeState(),
    ...(spool && { spooled: () => spool.state() }),
    lastEvents: intake.lastEvents,
    file: tokens.file,
    now,
  };
  // Checks less often with PostgreSQL, which counts rows one by one.
  addIntakeGauges(registry, standing, config.STORE_URL.startsWith('postgres') ? 10_000 : 0);
  return {
    start: async (whenRecorded) => {
      if (whenRecorded) announce = whenRecorded;
      spool?.wake();
      const listening = await intake.listen({ host, port });
      wiring.onListening?.(listening.port);
      await watch?.start();
    },
    pools: [intake.bodies],
    onAccepted: counts.onAccepted,
    close: async () => {
      await intake.close();
      await watch?.close();
      await spool?.close();
      tokens.close();
    },
    cutOff: intake.cutOff,
  };
}
