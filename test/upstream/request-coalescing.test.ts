import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { RateLimiter } from '../../src/rate-limit/types.ts';
import type { CallerPriority } from '../../src/upstream/permits.ts';
import { createReadCoalescer, type ReadCoalescer, type ReadContext } from '../../src/upstream/request-coalescing.ts';
import type { Transport } from '../../src/upstream/transport.ts';
import type { Call, CallReport, HttpResult } from '../../src/upstream/types.ts';

const answered: HttpResult = { kind: 'answered', status: 200, headers: {}, text: '{}' };
const attempt: CallReport = {
  operation: 'getContacts',
  host: 'gateway',
  status: 200,
  bytesSent: true,
  durationMs: 9_999,
};
const contacts = {
  operation: 'getContacts',
  host: 'gateway',
  method: 'GET',
  path: '/contacts',
  connection: 'one',
} as const;
const priority = (caller: string, lane: CallerPriority['lane'] = 'interactive'): CallerPriority => ({ caller, lane });
const settled = () => new Promise((resume) => setImmediate(resume));

interface Made {
  call: Call;
  timeoutMs: number | undefined;
  answer: (told?: HttpResult) => void;
}

interface Ask {
  caller: string;
  lane: string;
  deadline: number;
  grant: () => void;
  refuse: () => void;
}

/** What went out, and who waits for a turn; the test answers and grants. */
function world(options: { paced: boolean; replicas?: boolean; timeoutMs?: number }) {
  const made: Made[] = [];
  const waiting: Ask[] = [];
  const transport: Pick<Transport, 'read'> = {
    read: (call, timeoutMs, onAttempt) =>
      new Promise((resolve) => {
        const answer = (told = answered) => {
          onAttempt?.(attempt);
          resolve(told);
        };
        made.push({ call, timeoutMs, answer });
      }),
  };
  const rateLimiter: RateLimiter = {
    acquire: ({ caller, lane, deadline, signal }) =>
      new Promise((resolve, reject) => {
        const leave = () => void waiting.splice(waiting.indexOf(ask), 1);
        const ask: Ask = {
          caller,
          lane,
          deadline,
          grant: () => {
            leave();
            resolve();
          },
          refuse: () => {
            leave();
            reject(new Error('too late'));
          },
        };
        waiting.push(ask);
        signal?.addEventListener('abort', () => {
          leave();
          reject(new Error('gone'));
        });
      }),
    isPermitValid: () => true,
    expectedWaitMs: () => 0,
    reportTooManyRequests: () => {},
  };
  const reads = createReadCoalescer(transport, {
    timeoutMs: options.timeoutMs ?? 1_000,
    replicas: options.replicas ?? false,
    ...(options.paced && { rateLimiter }),
  });
  return { reads, made, waiting };
}

/** The answers as they come: undefined until then. */
function ask(reads: ReadCoalescer, reader: ReadContext = {}, call: Call & { method: 'GET' } = contacts) {
  const reports: CallReport[] = [];
  const state: { answer?: HttpResult; reports: CallReport[] } = { reports };
  void reads.read(call, { onAttempt: (report) => reports.push(report), ...reader }).then((answer) => {
    state.answer = answer;
  });
  return state;
}

describe('reads in flight', () => {
  let reads: ReadCoalescer;
  let made: Made[];
  beforeEach(() => {
    ({ reads, made } = world({ paced: false }));
  });

  it('are one call if they are equal, and each reader is told that it was shared', async () => {
    const all = [ask(reads), ask(reads), ask(reads)];
    expect(made).toHaveLength(1);
    made[0]?.answer();
    await settled();
    expect(all.map(({ answer }) => answer)).toEqual([answered, answered, answered]);
    expect(all.map(({ reports }) => reports.map(({ status, isShared }) => [status, isShared]))).toEqual([
      [[200, undefined]],
      [[200, true]],
      [[200, true]],
    ]);
    expect(all[1]?.reports[0]?.durationMs).toBeLessThan(1_000);
  });

  it('are shared only until they are answered', async () => {
    ask(reads);
    made[0]?.answer();
    await settled();
    ask(reads);
    expect(made).toHaveLength(2);
  });

  it('share a failure as well', async () => {
    const all = [ask(reads), ask(reads)];
    const failed: HttpResult = { kind: 'failed', bytesSent: true, timedOut: true, cause: new Error('late') };
    made[0]?.answer(failed);
    await settled();
    expect(all.map(({ answer }) => answer)).toEqual([failed, failed]);
    expect(made).toHaveLength(1);
  });

  it.each<[string, Partial<typeof contacts>]>([
    ['connection', { connection: 'two' as 'one' }],
    ['path', { path: '/others' as '/contacts' }],
    ['host', { host: 'control' as 'gateway' }],
  ])('are apart where the %s differs', (_what, other) => {
    ask(reads);
    ask(reads, {}, { ...contacts, ...other });
    expect(made).toHaveLength(2);
  });

  it('are separate if the query differs, but not if only its order differs', () => {
    for (const query of [{ page: 1 }, { page: 2 }, { page: 1, name: undefined }, { page: 1, name: '' }])
      ask(reads, {}, { ...contacts, query });
    expect(made.map(({ call }) => call.query)).toEqual([{ page: 1 }, { page: 2 }, { page: 1, name: '' }]);
  });

  it('are not joined after a write of the same connection, and are shared again from then on', () => {
    ask(reads);
    reads.invalidate('two');
    ask(reads);
    expect(made).toHaveLength(1);
    reads.invalidate('one');
    ask(reads);
    ask(reads);
    expect(made).toHaveLength(2);
  });

  it('do not end the sharing of a later one when they are answered late', async () => {
    ask(reads);
    reads.invalidate('one');
    ask(reads);
    made[0]?.answer();
    await settled();
    ask(reads);
    expect(made).toHaveLength(2);
  });

  it('are separate from those with a deadline of their own, whichever came first', () => {
    const deadline = performance.now() + 500;
    ask(reads, { deadline, isExclusive: true });
    ask(reads);
    ask(reads, { deadline, isExclusive: true });
    expect(made.map(({ timeoutMs = 0 }) => (timeoutMs > 500 ? timeoutMs : 'own'))).toEqual(['own', 1_000, 'own']);
  });

  it('share with a reader that has less time left, and end for that reader at its deadline', async () => {
    const patient = ask(reads);
    const hasty = ask(reads, { deadline: performance.now() + 100 });
    expect(made).toHaveLength(1);
    await expect.poll(() => hasty.answer, { interval: 5 }).toMatchObject({ kind: 'failed', timedOut: true });
    made[0]?.answer();
    await settled();
    expect(patient.answer).toBe(answered);
  });

  it('are not joined while other replicas write', () => {
    const { reads, made } = world({ paced: false, replicas: true });
    ask(reads);
    ask(reads);
    expect(made).toHaveLength(2);
  });
});

describe('reads that wait for a permit', () => {
  afterEach(() => void vi.useRealTimers());

  it('take one place per caller and lane, and the first permit serves all of them', async () => {
    const { reads, made, waiting } = world({ paced: true });
    const readers = [priority('crm'), priority('crm'), priority('billing'), priority('crm', 'broadcast')];
    const all = readers.map((priority) => ask(reads, { priority }));
    expect(waiting.map(({ caller, lane }) => [caller, lane])).toEqual([
      ['crm', 'interactive'],
      ['billing', 'interactive'],
      ['crm', 'broadcast'],
    ]);
    waiting[1]?.grant();
    await settled();
    expect([waiting.length, made.length, made[0]?.call.priority, made[0]?.call.hasPermit]).toEqual([
      ...[0, 1, priority('billing'), true],
    ]);
    made[0]?.answer();
    await settled();
    expect(all.map(({ answer }) => answer)).toEqual(Array(4).fill(answered));
    expect(all.map(({ reports }) => reports[0]?.isShared)).toEqual([true, true, undefined, true]);
  });

  it('are joined after a write, because they are dispatched later; and not any more once they are in flight', async () => {
    const { reads, made, waiting } = world({ paced: true, replicas: true });
    ask(reads, { priority: priority('crm') });
    reads.invalidate('one');
    ask(reads, { priority: priority('crm') });
    waiting[0]?.grant();
    await settled();
    ask(reads, { priority: priority('crm') });
    expect([made.length, waiting.length]).toEqual([1, 1]);
  });

  it('make one call even if two permits are granted at the same time', async () => {
    const { reads, made, waiting } = world({ paced: true });
    const all = [ask(reads, { priority: priority('crm') }), ask(reads, { priority: priority('billing') })];
    for (const each of [...waiting]) each.grant();
    await settled();
    expect(made).toHaveLength(1);
    made[0]?.answer();
    await settled();
    expect(all.map(({ answer }) => answer)).toEqual([answered, answered]);
  });

  it('fail only for the reader whose permit cannot be granted in time', async () => {
    const { reads, made, waiting } = world({ paced: true });
    const [crm, billing] = [ask(reads, { priority: priority('crm') }), ask(reads, { priority: priority('billing') })];
    waiting[0]?.refuse();
    await settled();
    expect(crm.answer).toMatchObject({ kind: 'failed', bytesSent: false, cause: { message: 'too late' } });
    waiting[0]?.grant();
    await settled();
    made[0]?.answer();
    await settled();
    expect(billing.answer).toEqual(answered);
  });

  it('leave the queue when their caller disconnects, unless another reader shares them', async () => {
    const { reads, made, waiting } = world({ paced: true });
    const [first, second] = [new AbortController(), new AbortController()];
    const gone = ask(reads, { priority: priority('crm'), callerSignal: () => first.signal });
    ask(reads, { priority: priority('crm'), callerSignal: () => second.signal });
    first.abort();
    await settled();
    expect([waiting.length, gone.answer]).toEqual([1, undefined]);
    second.abort();
    await settled();
    expect(waiting).toEqual([]);
    expect(gone.answer).toMatchObject({ kind: 'failed', bytesSent: false });
    // And no other request joins a read that was given up.
    ask(reads, { priority: priority('crm') });
    expect(waiting).toHaveLength(1);
    waiting[0]?.grant();
    await settled();
    expect(made).toHaveLength(1);
  });

  it('are not queued if their caller has disconnected before', async () => {
    const { reads, waiting } = world({ paced: true });
    const gone = ask(reads, { priority: priority('crm'), callerSignal: () => AbortSignal.abort() });
    await settled();
    expect([waiting.length, gone.answer?.kind]).toEqual([0, 'failed']);
  });

  it('end at the deadline of each reader, even if another one joins later', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    const { reads, made, waiting } = world({ paced: true, timeoutMs: 1_000 });
    const early = ask(reads, { priority: priority('crm') });
    await vi.advanceTimersByTimeAsync(500);
    const late = ask(reads, { priority: priority('billing') });
    waiting[1]?.grant();
    await vi.advanceTimersByTimeAsync(499);
    expect(early.answer).toBeUndefined();
    await vi.advanceTimersByTimeAsync(1);
    expect(early.answer).toMatchObject({ kind: 'failed', timedOut: true });
    expect(late.answer).toBeUndefined();
    expect(made[0]?.timeoutMs).toBe(1_000);
  });

  it('report when they are dispatched, once to each waiting reader', async () => {
    const { reads, waiting } = world({ paced: true });
    const out: string[] = [];
    for (const caller of ['crm', 'billing'])
      ask(reads, { priority: priority(caller), onDispatched: () => out.push(caller) });
    expect(out).toEqual([]);
    waiting[0]?.grant();
    await settled();
    ask(reads, { priority: priority('late'), onDispatched: () => out.push('late') });
    expect(out).toEqual(['crm', 'billing', 'late']);
  });
});
