import type { ActiveDelivery } from '../delivery/dispatch/upstream-request.ts';

type EarlierAttempts = Pick<ActiveDelivery, 'failures' | 'refusedAlone'>;

/** For more messages than this the oldest are forgotten, and treated as if they had not been attempted. */
const messagesMax = 10_000;

/** The failures and refusals of queued messages, as far as this process made the attempts. */
export class AttemptHistory {
  readonly #byId = new Map<string, EarlierAttempts>();

  of(id: string): EarlierAttempts {
    return this.#byId.get(id) ?? {};
  }

  /** Call after each attempt. */
  note({ stored: { id }, failures, refusedAlone }: ActiveDelivery, isQueued: boolean): void {
    this.#byId.delete(id);
    if (!isQueued || (failures === undefined && refusedAlone === undefined)) return;
    this.#byId.set(id, { ...(failures !== undefined && { failures }), ...(refusedAlone && { refusedAlone }) });
    const [oldest] = this.#byId.keys();
    if (this.#byId.size > messagesMax && oldest !== undefined) this.#byId.delete(oldest);
  }
}
