import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Scripted } from '../../src/simulator/faults.ts';
import { withoutType } from '../support/problem-type.ts';
import { type Service, startService } from '../support/service.ts';
import { type Arrange, always, askFor, htmlPage, once, type Seen, type Subject, seen } from './outcomes.ts';

export type Row = [name: string, arrange: Arrange, expected: Seen];

const unavailable = (requests: number, processed = 0, upstreamStatus?: number): Seen => ({
  status: 503,
  slug: 'upstream-unavailable',
  retryable: true,
  retryAfter: '2',
  requests,
  processed,
  ...(upstreamStatus !== undefined && { upstreamStatus }),
});
const timeout = (processed = 0): Seen => ({
  status: 504,
  slug: 'upstream-timeout',
  retryable: true,
  requests: 1,
  processed,
});
const limited = (requests: number, retryAfter: string): Seen => ({
  status: 429,
  slug: 'rate-limited',
  retryable: true,
  retryAfter,
  upstreamStatus: 429,
  requests,
  processed: 0,
});
export const problem = (status: number, slug: string, upstreamStatus = 200, processed = 0): Seen => ({
  status,
  slug,
  retryable: false,
  requests: 1,
  processed,
  upstreamStatus,
});
export const success = (requests = 1): Seen => ({ status: 200, requests, processed: 1 });
const elsewhere = { location: 'https://evil.example/api/v1/again' };
const atOnce = { 'retry-after': '0' };
/** A port without a server. The port of a stopped gateway could soon belong to another server of the tests. */
const nowhere = { MATON_GATEWAY_URL: 'http://127.0.0.1:9' };

/** Retried at most twice: each of these takes from the retry budget, so each gets a service of its own. */
const retried: Row[] = [
  ['reset, once', once({ fault: 'reset-before' }), success(2)],
  ['reset always', always({ fault: 'reset-before' }), unavailable(3)],
  ['reset after it was processed, always', always({ fault: 'reset-after' }), unavailable(3, 3)],
  ['closed without an answer, always', always({ fault: 'close-after' }), unavailable(3, 3)],
  ['a truncated answer, once', once({ fault: 'truncate', process: false, body: '{}' }), success(2)],
  ...[500, 501, 502, 503, 504, 505, 520, 408].map(
    (status): Row => [
      `${status} always`,
      always({ status, headers: atOnce, body: htmlPage }),
      unavailable(3, 0, status),
    ],
  ),
  ['503 once', once({ status: 503, headers: atOnce }), success(2)],
  ['429 once', once({ status: 429, headers: atOnce }), success(2)],
  ['429 always', always({ status: 429, headers: atOnce }), limited(3, '1')],
];

/** Writes are not repeated, whatever happens: the caller knows whether that is safe. */
const notRetried: Row[] = [
  ['reset', once({ fault: 'reset-before' }), unavailable(1)],
  ['reset after it was processed', once({ fault: 'reset-after' }), unavailable(1, 1)],
  ...[500, 502, 503, 504, 505, 408].map(
    (status): Row => [`${status}`, once({ status, headers: atOnce, body: htmlPage }), unavailable(1, 0, status)],
  ),
  ['429', once({ status: 429 }), limited(1, '1')],
  ['429 with Retry-After', once({ status: 429, headers: { 'retry-after': '7' } }), limited(1, '7')],
];

const unreadable = ['', htmlPage, '{"result":true,"contact_list":[', 'null', '"success"', '[]', {}, { hello: 1 }];
const refusing = [405, 406, 409, 410, 411, 413, 414, 415, 417, 418, 421, 422, 425, 431];

/** The deadline passes: these get a service with a short one, the others are not to meet it on a busy machine. */
const late: Row[] = [
  ['no answer', once({ fault: 'hang' }), timeout()],
  ['an answer after the deadline', once({ fault: 'late' }), timeout(1)],
  ['an answer that drips past the deadline', once({ fault: 'drip' }), timeout(1)],
];

/** Answered as they come, after one request: the same for reads and writes. */
const plain: Row[] = [
  ...unreadable.map(
    (body): Row => [`200 with ${JSON.stringify(body)}`, once({ body }), problem(502, 'upstream-invalid', 200, 1)],
  ),
  ...[300, 301, 302, 303, 307, 308].map(
    (status): Row => [`${status}`, once({ status, headers: elsewhere }), problem(502, 'upstream-invalid', status)],
  ),
  ['404', once({ status: 404, body: { message: 'no' } }), problem(404, 'not-found', 404)],
  ...refusing.map((status): Row => [`${status}`, once({ status }), problem(422, 'upstream-rejected', status)]),
  [
    '429 that asks for more time than there is',
    once({ status: 429, headers: { 'retry-after': '30' } }),
    limited(1, '30'),
  ],
];

/** Without its pages of documentation a service starts in a fraction of the time. */
const quick = { DOCS: 'off' };

/** What a read answers (docs/reference/contract.md, "Problems"). `more` are rows that only these subjects have; `less` names those that they have not;
 * `again` are the subjects whose repeats are counted, where two of them make the same call. */
export function describeOutcomes(
  subjects: Subject[],
  { more = [], less = /^$/, again = subjects }: { more?: Row[]; less?: RegExp; again?: Subject[] } = {},
): void {
  const reads = subjects.every(({ method }) => method === 'GET');
  const gateway = subjects.every(({ operation }) => !/Connections?$/.test(operation));
  const kept = (rows: Row[]) => rows.filter(([name]) => !less.test(name));

  const settings = { ...quick, TEMPLATE_CACHE_MS: '0' };

  describe.each(subjects.map((subject) => [subject.name, subject] as const))('%s', (_name, subject) => {
    let service: Service;
    beforeAll(async () => {
      service = await startService({ settings });
    });
    afterAll(() => service.close());

    it.each(kept([...plain, ...(reads ? [] : notRetried), ...more]))('once: %s', async (_what, arrange, expected) => {
      service.simulator.reset();
      await check(service, subject, arrange, expected);
    });
  });

  // Each with a service of its own, beside the others: most of their time is that of deadlines and pauses.
  const tooLate = subjects.flatMap((subject) =>
    kept(late).map(([what, ...row]) => [subject.name, what, subject, ...row] as const),
  );
  it.concurrent.each(tooLate)('%s too late: %s', async (_name, _what, subject, arrange, expected) => {
    // A change in two calls has to come to its second one on a busy machine as well.
    const own = await startService({
      settings: { ...settings, UPSTREAM_TIMEOUT_MS: '2500' },
      simulator: { lateMs: 3_200 },
    });
    await check(own, subject, arrange, expected);
    await own.close();
  });

  const repeats = kept(retried);
  const cases = (reads ? again : []).flatMap((subject) =>
    repeats.map(([what, ...row]) => [subject.name, what, subject, ...row] as const),
  );
  it.concurrent.each(cases)('%s again: %s', async (_name, _what, subject, arrange, expected) => {
    const own = await startService({ settings });
    await check(own, subject, arrange, expected);
    await own.close();
  });

  const unreachable = reads && gateway ? again.map((subject) => [subject.name, subject] as const) : [];
  it.concurrent.each(unreachable)('%s again: the gateway refuses connections', async (_name, subject) => {
    const own = await startService({ settings: { ...settings, ...nowhere } });
    await check(own, subject, () => {}, unavailable(0));
    await own.close();
  });
}

export async function check(service: Service, subject: Subject, arrange: Arrange, expected: Seen): Promise<void> {
  const { simulator } = service;
  await arrange(simulator, subject.operation);
  const answer = await askFor(service, subject);
  const { upstreamStatus, ...got } = seen(answer, simulator, subject.operation);
  // The status of an unreadable 200 is no news: not every problem names it.
  const told = upstreamStatus === 200 || upstreamStatus === undefined ? {} : { upstreamStatus };
  const { upstreamStatus: wanted, ...rest } = expected;
  expect({ ...got, ...told }).toEqual({
    ...rest,
    ...(wanted !== undefined && wanted !== 200 && { upstreamStatus: wanted }),
    ...(expected.status === 200 && { status: subject.success ?? 200 }),
  });
  expect(withoutType(answer.text)).not.toMatch(/wati\.io|evil\.example|127\.0\.0\.1/);
  const log = service.logs().at(-1);
  expect(log).toMatchObject({ status: answer.status, ...(got.slug !== undefined && { problem: got.slug }) });
}

const unauthorized: Seen = { status: 502, slug: 'upstream-unauthorized', retryable: false, requests: 1, processed: 0 };
const unusable: Seen = { status: 409, slug: 'connection-unusable', retryable: false, requests: 1, processed: 0 };

const sides: [string, Arrange, Seen][] = [
  [
    'the Maton key is refused',
    ({ tenant }) => {
      tenant.settings.matonKey = 'revoked';
    },
    { ...unauthorized, upstreamStatus: 401 },
  ],
  [
    'the WATI token is revoked',
    ({ tenant }) => {
      tenant.settings.watiToken = 'revoked';
    },
    { ...unauthorized, upstreamStatus: 401 },
  ],
  [
    'a 403 of the edge',
    once({ status: 403, body: htmlPage } satisfies Scripted),
    problem(422, 'upstream-rejected', 403),
  ],
  [
    'the connection is gone',
    ({ tenant }) => {
      tenant.connections.length = 0;
    },
    { ...unusable, upstreamStatus: 400 },
  ],
  [
    'the connection is pending',
    ({ tenant }) => {
      for (const connection of tenant.connections) connection.status = 'PENDING';
    },
    { ...unusable, upstreamStatus: 400 },
  ],
  [
    'a 400 of WATI',
    once({ status: 400, body: { items: [{ code: 'a', description: 'b' }] } }),
    problem(422, 'upstream-rejected', 400),
  ],
];

/** The statuses with two meanings, which the control API distinguishes. */
export function describeSides(subjects: Subject[]): void {
  it.concurrent.each(sides)('report whose fault it is: %s', async (_name, arrange, expected) => {
    const service = await startService({ settings: quick });
    for (const subject of subjects) {
      service.simulator.reset();
      await check(service, subject, arrange, expected);
      expect(service.logs().at(-1)).toMatchObject({ upstreamStatus: expected.upstreamStatus });
      expect(service.simulator.ledger.of('listConnections').length).toBeLessThanOrEqual(1);
    }
    await service.close();
  });
}
