/** The share of a day's calls that reads may use. The rest is for sends and changes. */
const readsPart = 0.9;
const dayMs = 24 * 60 * 60 * 1000;

export interface DayQuotaReading {
  /** Calls of this process, since midnight UTC or its start. */
  used: number;
  /** The share of this process in the setting; 0: no limit. */
  limit: number;
}

/**
 * Protects WATI's monthly quota by a limit of calls to the gateway per day (UTC). Each process counts its own calls since its
 * start and has its share of the limit by the number of replicas; the counts are not durable. Reads are refused earlier than
 * sends, and messages that are already recorded are sent all the same.
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

  /** How long calls of this kind are refused, ms; 0: one may be made. */
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
