import type { StoredEvent } from '../store/event-store.ts';

/** Which contacts have an event under way: there are never two of one. */
export class Contacts {
  readonly #clock: () => number;
  readonly #busy = new Set<string>();
  readonly #waitsUntil = new Map<string, number>();

  /** `clock` is monotonic, ms. */
  constructor(clock: () => number) {
    this.#clock = clock;
  }

  isBusy({ contact }: StoredEvent): boolean {
    return contact !== undefined && this.#busy.has(contact);
  }

  /** Busy, or an earlier event of it has failed and may be sent before its later ones. */
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

  /** How long until one waits no more; infinite: none waits. */
  get waitMs(): number {
    const now = this.#clock();
    const ends = [...this.#waitsUntil.values()].filter((until) => until > now);
    return Math.min(...ends) - now;
  }

  release(): void {
    this.#waitsUntil.clear();
  }
}
