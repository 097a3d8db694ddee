import { request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Scripted } from '../../src/simulator/faults.ts';
import type { Operation } from '../../src/simulator/operations.ts';
import { problem } from '../support/problem-type.ts';
import { type Answer, allKey, type Service, startService } from '../support/service.ts';
import { fields, type Seen, seededConnection, seen, text } from './outcomes.ts';
import { formHeaders, formOf } from './sending.ts';

interface Way {
  name: string;
  path: string;
  operation: Operation;
  /** More than the service reads before it opens a request to WATI. */
  body: Buffer;
}

const numbers = Array.from({ length: 2_000 }, (_, at) => `${14_155_700_000 + at}`);
const ways: Way[] = [
  {
    name: 'file',
    path: '/v1/messages/file?to=14155551000',
    operation: 'sendSessionFile',
    body: formOf('small print '.repeat(2_000)),
  },
  {
    name: 'csv',
    path: '/v1/broadcasts/csv?template=welcome&broadcastName=autumn',
    operation: 'sendTemplateMessageCSV',
    body: formOf(`Phone\r\n${numbers.join('\r\n')}\r\n`, 'text/csv', 'a.csv'),
  },
];

/** An upload that stops after most of its body, and waits for what is said of it. */
function beginUpload(service: Service, { path, body }: Way, key: string) {
  const { hostname, port } = new URL(service.url);
  const headers = {
    authorization: `Bearer ${allKey}`,
    'maton-connection': seededConnection,
    'idempotency-key': key,
    'content-length': String(body.length),
    ...formHeaders,
  };
  const outgoing = request({ hostname, port, method: 'POST', path, headers, agent: false });
  const answer = new Promise<Answer>((resolve, reject) => {
    outgoing.on('error', reject);
    outgoing.on('response', async (incoming) => {
      let whole = '';
      for await (const chunk of incoming) whole += String(chunk);
      resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, text: whole, json: JSON.parse(whole) });
      outgoing.destroy();
    });
  });
  outgoing.write(body.subarray(0, body.length - 1_000));
  return { answer, finish: () => outgoing.end(body.subarray(body.length - 1_000)), breakOff: () => outgoing.destroy() };
}

const rejected = (status: number, slug: string, upstreamStatus: number): Seen => ({
  status,
  slug,
  outcome: 'rejected',
  retryable: false,
  upstreamStatus,
  requests: 1,
  processed: 0,
});
const notSent = (upstreamStatus?: number): Seen => ({
  status: 503,
  slug: 'upstream-unavailable',
  outcome: 'not_sent',
  retryable: true,
  retryAfter: '2',
  ...(upstreamStatus !== undefined && { upstreamStatus }),
  requests: 1,
  processed: 0,
});

/** What failures and statuses prove where the body of an upload was not finished. */
const midway: [name: string, scripted: Scripted, expected: Seen][] = [
  ['a reset', { fault: 'reset-mid-body' }, notSent()],
  ['413 and the end', { fault: 'early', status: 413 }, rejected(422, 'upstream-rejected', 413)],
  ['422', { fault: 'early', status: 422, body: { message: 'no' } }, rejected(422, 'upstream-rejected', 422)],
  ['408', { fault: 'early', status: 408 }, notSent(408)],
  ['429', { fault: 'early', status: 429 }, notSent(429)],
  ['500', { fault: 'early', status: 500 }, notSent(500)],
  ['503', { fault: 'early', status: 503 }, notSent(503)],
  [
    'a success for half a file',
    { fault: 'early', status: 200, body: { result: true } },
    { status: 202, is: 'unknown', requests: 1, processed: 0 },
  ],
];

describe.each(ways)('an upload in progress: $name', (way) => {
  let service: Service;
  let keys = 0;
  beforeAll(async () => {
    service = await startService({ settings: { UPSTREAM_TIMEOUT_MS: '5000', TEMPLATE_CACHE_MS: '600000' } });
    await service.ask('GET', '/v1/templates', { headers: { 'maton-connection': seededConnection } });
  });
  afterAll(() => service.close());
  beforeEach(() => {
    service.simulator.reset();
    // A few of so many numbers would end like the sandbox's troublemakers.
    service.simulator.tenant.settings.magic = false;
    keys += 1;
  });
  const stored = async () => fields((await service.ask('GET', '/v1/messages?limit=1')).json).data;
  const reached = async () => {
    while (service.simulator.ledger.of(way.operation).length === 0) await sleep(5);
  };

  it.each(midway)('meets %s', async (_name, scripted, expected) => {
    service.simulator.script(way.operation, scripted);
    const answer = await beginUpload(service, way, `met-${keys}`).answer;
    await sleep(20);
    expect(seen(answer, service.simulator, way.operation)).toEqual(expected);
    expect(service.simulator.ledger.of(way.operation)).toMatchObject([{ complete: false }]);
    const record = await service.ask('GET', text(answer.headers.location) ?? 'no location');
    expect(record).toMatchObject({ status: 200, json: { status: expected.outcome ?? expected.is, kind: way.name } });
  });

  it('has a key that is bound to its recipients, even if it never arrived in full', async () => {
    service.simulator.script(way.operation, { fault: 'early', status: 422 });
    const first = await beginUpload(service, way, `half-${keys}`).answer;
    expect(first.status).toBe(422);
    const path = way.path.replace('14155551000', '14155551001').replace('welcome', 'order_update');
    const other = beginUpload(service, { ...way, path }, `half-${keys}`);
    other.finish();
    const refused = await other.answer;
    expect([refused.status, fields(refused.json).type]).toEqual([422, problem('idempotency-mismatch')]);
    const same = beginUpload(service, way, `half-${keys}`);
    same.finish();
    expect((await same.answer).headers['idempotency-replayed']).toBe('true');
    expect(service.simulator.ledger.of(way.operation)).toHaveLength(1);
  });

  it('is lost together with the gateway', async () => {
    const { answer } = beginUpload(service, way, `lost-${keys}`);
    await reached();
    await service.simulator.stopGateway();
    const said = await answer;
    await service.simulator.startGateway();
    expect(seen(said, service.simulator, way.operation)).toEqual(notSent());
    const record = await service.ask('GET', text(said.headers.location) ?? 'no location');
    expect(record).toMatchObject({ status: 200, json: { status: 'not_sent' } });
  });

  it('is aborted by its caller: no record, no message, and its key is free', async () => {
    const before = await stored();
    const broken = beginUpload(service, way, `off-${keys}`);
    broken.answer.catch(() => {});
    await reached();
    broken.breakOff();
    const again = async () => {
      const upload = beginUpload(service, way, `off-${keys}`);
      upload.finish();
      return upload.answer;
    };
    let answer = await again();
    // The service learns of the end a moment later.
    while (answer.status === 409) answer = await again();
    expect(answer).toMatchObject({ status: 201, json: { status: 'accepted' } });
    expect(answer.headers['idempotency-replayed']).toBeUndefined();
    const entries = service.simulator.ledger.of(way.operation);
    expect(entries.map(({ complete, processed }) => [complete, processed])).toEqual([
      [false, false],
      [true, true],
    ]);
    expect(await stored()).not.toEqual(before);
  });
});
