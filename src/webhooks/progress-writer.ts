import type { NewFact } from '../store/event-store.ts';
import type { EndpointAttempt, EndpointProgress, ParkedEvent } from '../store/webhook-endpoint-store.ts';
import type { EndpointServices } from './dispatcher-services.ts';

/** Changes caused by one result. */
export interface ProgressChange {
  attempt?: EndpointAttempt;
  park?: ParkedEvent;
  unpark?: readonly number[];
  fact?: NewFact;
  disable?: { reason: string };
  /** Called when the change is recorded. */
  onRecorded?: () => void;
}

type Changes = Pick<EndpointProgress, 'parked' | 'unparked' | 'attempts' | 'facts' | 'disable'>;

interface WriterOptions {
  services: EndpointServices;
  /** Returns the endpoint's current position. */
  progress: () => Omit<EndpointProgress, keyof Changes>;
  onSaved: (progress: EndpointProgress) => void;
  /** Another process serves the endpoint, or it was changed: this process writes no more progress of it. */
  onLost: () => void;
  /** Ends retries of writes. */
  cut: AbortSignal;
}

const REST_AFTER_FAULT_MS = 1_000;

/** Records the progress of one endpoint. Changes that occur during a write are combined in the next one. */
export class ProgressWriter {
  readonly #options: WriterOptions;
  #changes: ProgressChange[] = [];
  #isAsked = false;
  #isWriting = false;
  #written: Promise<void> = Promise.resolve();

  constructor(options: WriterOptions) {
    this.#options = options;
  }

  add(change: ProgressChange): void {
    this.#changes.push(change);
    this.flush();
  }

  /** Records the position even if nothing else has changed. */
  flush(): void {
    this.#isAsked = true;
    if (this.#isWriting) return;
    this.#isWriting = true;
    this.#written = this.#writeAll();
  }

  /** Resolves when all changes are recorded, or none can be recorded any more. */
  settled(): Promise<void> {
    return this.#written;
  }

  async #writeAll(): Promise<void> {
    const { services, cut, onLost } = this.#options;
    while (this.#isAsked) {
      this.#isAsked = false;
      const changes = this.#changes.splice(0);
      try {
        if (!(await this.#save(changes))) return onLost();
        for (const { onRecorded } of changes) onRecorded?.();
      } catch (error) {
        services.onFault(error);
        this.#changes.unshift(...changes);
        if (cut.aborted) return onLost();
        this.#isAsked = true;
        await services.clock.wait(REST_AFTER_FAULT_MS, cut);
      }
    }
    this.#isWriting = false;
  }

  async #save(changes: readonly ProgressChange[]): Promise<boolean> {
    const { services, progress, onSaved } = this.#options;
    const all = { ...progress(), ...joined(changes) };
    const isSaved = await services.store.saveEndpointProgress(all);
    if (isSaved) onSaved(all);
    return isSaved;
  }
}

/** The last change of each event wins. */
function joined(changes: readonly ProgressChange[]): Changes {
  const parked = new Map<number, ParkedEvent>();
  const unparked = new Set<number>();
  for (const { park, unpark = [] } of changes) {
    if (park) {
      parked.set(park.eventSeq, park);
      unparked.delete(park.eventSeq);
    }
    for (const seq of unpark) {
      parked.delete(seq);
      unparked.add(seq);
    }
  }
  const facts = changes.flatMap(({ fact }) => fact ?? []);
  const disable = changes.findLast((each) => each.disable)?.disable;
  return {
    parked: [...parked.values()],
    unparked: [...unparked],
    attempts: changes.flatMap(({ attempt }) => attempt ?? []),
    ...(facts.length > 0 && { facts }),
    ...(disable && { disable }),
  };
}
