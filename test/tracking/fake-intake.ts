import { setImmediate } from 'node:timers/promises';
import type { StoredDelivery } from '../../src/store/delivery-facts.ts';
import type { IntakeEntry } from '../../src/store/intake-store.ts';
import type { EventIds, TrackedSend, TrackingBatch, TrackingChange } from '../../src/store/tracking-store.ts';
import { type ApplierServices, createApplier } from '../../src/tracking/applier.ts';
import { joinFacts } from '../../src/tracking/delivery-state.ts';

export const start = Date.UTC(2026, 10, 30, 10);

interface Entry extends IntakeEntry {
  dueAt: number;
  state: 'new' | 'done' | 'failed';
}

interface Send extends Omit<TrackedSend, 'foundBy'> {
  localMessageId?: string;
  connectionId: string;
}

/** An intake, messages and a clock in memory, with an applier that uses them. */
export class FakeIntake {
  now = start;
  readonly entries: Entry[] = [];
  readonly sends: Send[] = [];
  readonly deliveries = new Map<number, StoredDelivery>();
  readonly batches: TrackingBatch[] = [];
  readonly counted: string[] = [];
  /** Seconds from sending to each state that was reached. */
  readonly seconds: (number | undefined)[] = [];
  readonly logged: string[] = [];
  readonly faults: unknown[] = [];
  lookalikes = 0;
  /** Bodies that cannot be applied. */
  poison: RegExp | undefined;
  isAway = false;
  #waiting: (() => void)[] = [];
  readonly applier = createApplier(this.#services());

  send(send: Partial<Send> & { id: string }): Send {
    const made: Send = {
      seq: this.sends.length + 1,
      caller: 'billing',
      status: 'accepted',
      kind: 'template',
      to: '14155550100',
      template: 'order_update',
      connectionId: 'c1',
      sentAt: this.now,
      ...send,
    };
    this.sends.push(made);
    return made;
  }

  /** Records a webhook, and waits until the applier has examined it. */
  async post(body: object, connectionId = 'c1'): Promise<Entry> {
    const seq = this.entries.length + 1;
    const entry: Entry = {
      ...{ seq, key: String(seq), connectionId, receivedAtMs: this.now, body: JSON.stringify(body) },
      ...{ tries: 0, ageMs: 0, dueAt: this.now, state: 'new' },
    };
    this.entries.push(entry);
    this.applier.start();
    this.applier.wake();
    await this.#rested();
    return entry;
  }

  async advance(ms: number): Promise<void> {
    this.now += ms;
    for (const resume of this.#waiting.splice(0)) resume();
    await this.#rested();
  }

  /** Resolves when nothing is due and the applier waits. */
  async #rested(): Promise<void> {
    do await setImmediate();
    while (this.#waiting.length === 0);
  }

  #services(): ApplierServices {
    const act = async <Value>(work: () => Value): Promise<Value> => {
      if (this.isAway) throw new Error('away');
      return work();
    };
    return {
      store: {
        dueIntake: (limit) => act(() => this.#due(limit)),
        postponeIntake: (postponed) => act(() => this.#postpone(postponed)),
        failIntake: (seqs) => act(() => this.#end(seqs, 'failed')),
        findTracked: (connectionId, ids) => act(() => ids.map((each) => this.#find(connectionId, each))),
        findByContent: (connectionId, like, { from, until }) =>
          act(() =>
            this.sends
              .filter((send) => send.connectionId === connectionId && send.whatsappMessageId === undefined)
              .filter(({ to, template }) => to === like.recipient && template === like.template)
              .filter(({ sentAt = 0 }) => sentAt >= from && sentAt <= until)
              .map((send) => ({ ...send, foundBy: 'content' as const })),
          ),
        countLookalikes: () => act(() => this.lookalikes),
        conversation: () => act(() => undefined),
        lastSendTo: () => act(() => undefined),
        applyTracking: (batch) => act(() => this.#apply(batch)),
      },
      metrics: {
        applied: (outcome) => this.counted.push(outcome),
        reached: ({ status, failureKind = '', seconds }) => {
          this.counted.push(`=${status}${failureKind}`);
          this.seconds.push(seconds);
        },
        resolved: (by) => this.counted.push(`resolved ${by}`),
        contradiction: () => this.counted.push('contradiction'),
        received: (routedBy) => this.counted.push(`received ${routedBy}`),
      },
      logger: {
        debug: (facts, message) => this.logged.push(`debug ${JSON.stringify(facts)} ${message}`),
        info: (facts, message) => this.logged.push(`info ${JSON.stringify(facts)} ${message}`),
        error: (facts, message) => this.logged.push(`error ${JSON.stringify(facts)} ${message}`),
      },
      onFault: (error) => this.faults.push(error),
      // A pause that waits for more webhooks ends at once, because none come.
      wait: (ms, signal) =>
        new Promise<void>((resolve) => {
          const resume = () => {
            this.#waiting = this.#waiting.filter((other) => other !== resume);
            resolve();
          };
          if (signal.aborted || ms < 100) return resolve();
          this.#waiting.push(resume);
          signal.addEventListener('abort', resume, { once: true });
        }),
    };
  }

  #due(limit: number): IntakeEntry[] {
    return this.entries
      .filter(({ state, dueAt }) => state === 'new' && dueAt <= this.now)
      .slice(0, limit)
      .map((entry) => ({ ...entry, ageMs: this.now - entry.receivedAtMs }));
  }

  #postpone(postponed: readonly { seq: number; inMs: number }[]): void {
    for (const { seq, inMs } of postponed) {
      const entry = this.entries[seq - 1];
      if (entry) Object.assign(entry, { tries: entry.tries + 1, dueAt: entry.receivedAtMs + inMs });
    }
  }

  #end(seqs: readonly number[], state: 'done' | 'failed'): void {
    for (const seq of seqs) Object.assign(this.entries[seq - 1] ?? {}, { state });
  }

  #find(connectionId: string, ids: EventIds): TrackedSend | undefined {
    const own = this.sends.filter((send) => send.connectionId === connectionId);
    const { localMessageId: local, whatsappMessageId: wamid, watiId } = ids;
    const known: [TrackedSend['foundBy'], Send | undefined][] = [
      ['local-id', own.find(({ id, localMessageId }) => local !== undefined && [id, localMessageId].includes(local))],
      ['whatsapp-id', own.find(({ whatsappMessageId }) => wamid !== undefined && whatsappMessageId === wamid)],
      ['wati-id', own.find(({ seq }) => watiId !== undefined && this.deliveries.get(seq)?.watiId === watiId)],
    ];
    for (const [foundBy, send] of known) if (send) return { ...send, foundBy };
    return undefined;
  }

  #apply(batch: TrackingBatch): TrackingChange[] {
    const bodies = batch.done.map((seq) => this.entries[seq - 1]?.body ?? '');
    if (this.poison && bodies.some((body) => this.poison?.test(body))) throw new TypeError('poison');
    this.batches.push(batch);
    this.#end(batch.done, 'done');
    this.#postpone(batch.postponed);
    return batch.messages.map(({ seq, facts, proof }) => {
      const before = this.deliveries.get(seq);
      const after = { ...(before ? joinFacts(before, facts) : facts), updatedAt: this.now };
      this.deliveries.set(seq, after);
      const send = this.sends.find((each) => each.seq === seq);
      const was = send?.status;
      const wins = was === 'unknown' || (proof === 'id' && (was === 'not_sent' || was === 'rejected'));
      if (send && wins) send.status = 'accepted';
      if (send && facts.whatsappMessageId !== undefined) send.whatsappMessageId ??= facts.whatsappMessageId;
      return { seq, ...(before && { before }), after, ...(wins && was && { resolved: was }) };
    });
  }
}
