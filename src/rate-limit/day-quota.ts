/** Part of a day's calls that reads may use; the rest is for sends and changes. */
const readsPart = 0.9;
const dayMs = 24 * 60 * 60 * 1000;

export interface DayQuotaReading {
  /** Of this process, since midnight UTC or its start. */
  used: number;
  /** Its share of the setting; 0: there is none. */
  limit: number;
}

/**
 * A guard for WATI's monthly quota: how many calls may go to the gateway in a day (UTC). Each process counts its own, from its start,
 * and has its share of the limit by the number of replicas; nothing of it is durable. Reads are refused before sends are, and what
 * was recorded already goes out all the same.
 */
export class DayQuota {
  readonly #perDay: number | undefined;
  readonly #replicas: () => number;
  readonly #now: () => number;
  #day = 0;
  #used = 0;

  /** @param now wall clock, ms */
  constructor(perDay: number | undefined, replicas: () => number, now: () => number) {
    this.#perDay = perDay;
    this.#replicas = replicas;
    this.#now = now;
  }

  count(): void {
    this.#turn();
    this.#used += 1;
  }

  /** How long the calls of this kind are spent, ms; 0: one may be made. */
  spentForMs(kind: 'read' | 'other'): number {
    if (this.#perDay === undefined) return 0;
    const { used, limit } = this.reading();
    const most = kind === 'read' ? Math.floor(limit * readsPart) : limit;
    if (used < most) return 0;
    return dayMs - (this.#now() % dayMs);
  }

  reading(): DayQuotaReading {
    this.#turn();
    const replicas = Math.max(1, this.#replicas());
    return {
      used: this.#used,
      limit: this.#perDay === undefined ? 0 : Math.max(1, Math.floor(this.#perDay / replicas)),
    };
  }

  #turn(): void {
    const day = Math.floor(this.#now() / dayMs);
    if (day === this.#day) return;
    this.#day = day;
    this.#used = 0;
  }
}
