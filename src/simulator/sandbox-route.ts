import type { Agenda } from './agenda.ts';
import type { Clock } from './clock.ts';
import type { Ledger } from './ledger.ts';
import type { SendFaults } from './send-faults.ts';
import type { StoredFile, Tenant } from './state.ts';
import type { Tracking } from './tracking.ts';
import type { Webhooks } from './webhooks.ts';

/** The parts that these routes control. */
export interface Steering {
  readonly ledger: Ledger;
  readonly tenant: Tenant;
  readonly clock: Clock;
  readonly agenda: Agenda;
  readonly tracking: Tracking;
  readonly webhooks: Webhooks;
  readonly sendFaults: SendFaults;
  /** The public key of the service, if it has one. */
  readonly key: string | undefined;
  /** Resets everything to its initial state; without a seed, with the first one. */
  reset(seed?: string): Promise<void>;
  /** Moves the time forward. */
  advance(ms: number): Promise<void>;
}

/** An answer that is a file instead of JSON. */
export class FileAnswer {
  readonly file: StoredFile;

  constructor(file: StoredFile) {
    this.file = file;
  }
}

export interface SandboxRoute {
  /** Method and path; `{…}` matches one segment. */
  readonly route: string;
  readonly does: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  /** Larger than other bodies may be. */
  readonly bytesMax?: number;
  /** A string says what is wrong with the request. */
  run(given: { query: URLSearchParams; json: unknown; params: readonly string[] }, steering: Steering): unknown;
}
