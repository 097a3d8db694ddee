import type { QueueKey } from '../store/message-store.ts';
import type { Hold } from './holds.ts';

export type ReportHold = (queue: QueueKey, hold: Hold | undefined) => void;

/** Remembers which queues are held and why, so that each beginning, change and end is reported once. */
export class HeldQueues {
  readonly #tell: ReportHold;
  readonly #codes = new Map<string, Hold['code']>();

  constructor(tell: ReportHold = () => {}) {
    this.#tell = tell;
  }

  note(queue: QueueKey, hold: Hold | undefined): void {
    const name = nameOf(queue);
    if (hold?.code !== this.#codes.get(name)) this.#tell(queue, hold);
    if (hold) this.#codes.set(name, hold.code);
    else this.#codes.delete(name);
  }

  /** Forgets all other queues without a report, because nothing is queued in them. */
  keepOnly(queues: readonly QueueKey[]): void {
    const names = new Set(queues.map(nameOf));
    for (const name of this.#codes.keys()) if (!names.has(name)) this.#codes.delete(name);
  }
}

const nameOf = ({ caller, connectionId }: QueueKey): string => JSON.stringify([caller, connectionId]);
