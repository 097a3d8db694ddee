import type { NewFact } from '../store/event-store.ts';
import type { EndpointAttempt, EndpointProgress, ParkedEvent } from '../store/webhook-endpoint-store.ts';
import type { EndpointServices } from './dispatcher-services.ts';

/** What one result changes. */
export interface ProgressChange {
  attempt?: EndpointAttempt;
  park?: ParkedEvent;
  unpark?: readonly number[];
  fact?: NewFact;
  disable?: { reason: string };
  /** Called when it is recorded. */
  onRecorded?: () => void;
}

type Changes = Pick<EndpointProgress, 'parked' | 'unparked' | 'attempts' | 'facts' | 'disable'>;

interface WriterOptions {
  services: EndpointServices;
  /** How far the endpoint is now. */
  progress: () => Omit<EndpointProgress, keyof Changes>;
  onSaved: (progress: EndpointProgress) => void;
  /** Another process serves the endpoint, or it was changed: nothing of it is written from here any more. */
  onLost: () => void;
  /** Ends the tries to write. */
  cut: AbortSignal;
}

const REST_AFTER_FAULT_MS = 1_000;

/** Records progress of one endpoint. What is found out while one write is under way goes into the next. */
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

  /** Records the position, also where nothing else is new. */
  flush(): void {
    this.#isAsked = true;
    if (this.#isWriting) return;
    this.#isWriting = true;
    this.#written = this.#writeAll();
  }

  /** Resolves when all is recorded, or nothing can be any more. */
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

/** The last word on each event counts. */
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
