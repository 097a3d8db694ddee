import type { StoredEvent } from '../store/event-store.ts';

/** Tracks the contacts that have an event in flight, so that no contact has two at once. */
export class Contacts {
  readonly #clock: () => number;
  readonly #busy = new Set<string>();
  readonly #waitsUntil = new Map<string, number>();

  /** `clock` is monotonic, in ms. */
  constructor(clock: () => number) {
    this.#clock = clock;
  }

  isBusy({ contact }: StoredEvent): boolean {
    return contact !== undefined && this.#busy.has(contact);
  }

  /**
   * True if an event of the contact is in flight, or an earlier one has failed and may be retried before its later
   * ones.
   */
  mustWait(event: StoredEvent): boolean {
    const { contact } = event;
    if (contact === undefined) return false;
    return this.#busy.has(contact) || (this.#waitsUntil.get(contact) ?? 0) > this.#clock();
  }

  begin({ contact }: StoredEvent): void {
    if (contact !== undefined) this.#busy.add(contact);
  }

  end({ contact }: StoredEvent): void {
    if (contact !== undefined) this.#busy.delete(contact);
  }

  defer({ contact }: StoredEvent, ms: number): void {
    if (contact !== undefined) this.#waitsUntil.set(contact, this.#clock() + ms);
  }

  /** Milliseconds until the first waiting contact is released; infinite if none waits. */
  get waitMs(): number {
    const now = this.#clock();
    const ends = [...this.#waitsUntil.values()].filter((until) => until > now);
    return Math.min(...ends) - now;
  }

  release(): void {
    this.#waitsUntil.clear();
  }
}
