import { request } from 'node:http';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Scripted } from '../../src/simulator/faults.ts';
import { askFor, fields, type Subject, seededConnection, text } from '../routes/outcomes.ts';
import { csvSubject, fileSubject, formHeaders, formOf, sendingTo } from '../routes/sending.ts';
import { slugOf } from '../support/json.ts';
import { type Answer, allKey, type Service, startService } from '../support/service.ts';
import { standingClock } from '../support/standing-clock.ts';

const to = '14155551000';
const [textSubject, , , , templateSubject] = sendingTo(() => to);
const everySubject = [...sendingTo(() => to), fileSubject(to), csvSubject(to)];
const otherCaller = 'key-of-another-caller';
const slow = 'key-of-a-slow-caller';

describe('an Idempotency-Key', () => {
  let service: Service;
  let keys = 0;
  let key = '';
  const under = (subject: Subject, headers: Record<string, string> = {}) =>
    askFor(service, subject, { 'idempotency-key': key, ...headers });
  const requests = ({ operation }: Subject) => service.simulator.ledger.of(operation).length;
  const slug = ({ json }: Answer) => slugOf(json);
  /** The answer but for what names the one request. */
  const content = ({ status, headers, json }: Answer) => {
    const { requestId: _, ...body } = fields(json);
    return { status, body, location: headers.location, retryAfter: headers['retry-after'] };
  };

  beforeAll(async () => {
    service = await startService({
      settings: { TEMPLATE_CACHE_MS: '0', UPLOAD_MAX_BYTES: '100000', UPLOADS_MAX: '200' },
      callers: [
        { name: 'other', key: otherCaller, scopes: ['*'] },
        { name: 'slow', key: slow, scopes: ['*'], ratePerSecond: 1 },
        { name: 'reader', key: 'key-of-a-mere-reader', scopes: ['messages:read'] },
      ],
    });
  });
  afterAll(() => service.close());
  beforeEach(() => {
    service.simulator.reset();
    keys += 1;
    key = `order-${keys}`;
  });

  const ends: [name: string, scripted: Scripted[], status: number, is: string][] = [
    ['accepted', [], 201, 'accepted'],
    ['rejected', [{ status: 200, body: { result: false, message: 'no' }, process: false }], 422, 'rejected'],
    ['not sent', Array<Scripted>(3).fill({ status: 429, headers: { 'retry-after': '0' } }), 503, 'not_sent'],
    ['unknown', [{ status: 500 }], 202, 'unknown'],
  ];
  const cases = everySubject.flatMap((subject) =>
    ends.map((end) => ({ subject, end, name: subject.name, is: end[0] })),
  );

  it.each(cases)(
    'answers a repeat of $name from its record: $is',
    async ({ subject, end: [, scripted, status, is] }) => {
      service.simulator.script(subject.operation, ...scripted);
      const first = await under(subject);
      const made = requests(subject);
      const again = await under(subject);
      expect(first.status).toBe(status);
      expect(fields(first.json).outcome ?? fields(first.json).status).toBe(is);
      expect(first.headers['idempotency-replayed']).toBeUndefined();
      expect(again.headers['idempotency-replayed']).toBe('true');
      expect(content(again)).toEqual(content(first));
      expect(requests(subject)).toBe(made);
    },
  );

  it('reports for an unknown message what is known by now', async () => {
    if (!textSubject) throw new Error('no subject');
    service.simulator.script(textSubject.operation, { fault: 'close-after' });
    const first = await under(textSubject);
    expect(first).toMatchObject({ status: 202, json: { status: 'unknown' } });
    await service.ask('POST', `${text(first.headers.location)}/reconcile`);
    const again = await under(textSubject);
    expect(again).toMatchObject({
      status: 201,
      headers: { 'idempotency-replayed': 'true' },
      json: { id: fields(first.json).id, status: 'accepted', evidence: 'local-id' },
    });
    expect(requests(textSubject)).toBe(1);
  });

  it('ignores the order of properties, and a plus before the number', async () => {
    const ask = (json: object) =>
      under({
        name: 'text',
        method: 'POST',
        path: '/v1/messages/text',
        operation: 'sendSessionMessage',
        ask: { json },
      });
    expect((await ask({ to, text: 'Hi' })).status).toBe(201);
    expect((await ask({ text: 'Hi', to })).headers['idempotency-replayed']).toBe('true');
    expect((await ask({ text: 'Hi', to: `+${to}` })).headers['idempotency-replayed']).toBe('true');
    expect(service.simulator.ledger.of('sendSessionMessage')).toHaveLength(1);
  });

  const others: [name: string, first: Subject, other: Subject][] = [
    ...sendingTo(() => to).map((subject, at): [string, Subject, Subject] => [
      subject.name,
      subject,
      sendingTo(() => '14155551001')[at] ?? subject,
    ]),
    ['file: other bytes', fileSubject(to), fileSubject(to, 'Other small print.')],
    ['file: other recipient', fileSubject(to), fileSubject('14155551001')],
    ['csv: other rows', csvSubject(to), csvSubject('14155551001')],
    ['csv: other name', csvSubject(to), { ...csvSubject(to), path: `${csvSubject(to).path}2` }],
  ];
  it.each(others)('refuses other content under it: %s', async (_name, first, other) => {
    const sent = await under(first);
    expect(sent.status).toBe(201);
    const refused = await under(other);
    expect([refused.status, slug(refused)]).toEqual([422, 'idempotency-mismatch']);
    expect(refused.headers.location).toBe(sent.headers.location);
    expect(requests(first)).toBe(1);
  });

  it.each(everySubject)('reports that the first request is still in progress: $name', async (subject) => {
    const answered = Promise.withResolvers<void>();
    service.simulator.script(subject.operation, { until: answered.promise });
    const first = under(subject);
    await expect.poll(() => requests(subject)).toBe(1);
    const meanwhile = await under(subject);
    answered.resolve();
    expect([meanwhile.status, slug(meanwhile)]).toEqual([409, 'idempotency-in-progress']);
    expect(meanwhile.headers['retry-after']).toBe('1');
    const { status, headers } = await first;
    expect(status).toBe(201);
    expect(meanwhile.headers.location).toBe(headers.location);
    expect(requests(subject)).toBe(1);
  });

  it.each(everySubject)('is valid for one caller: $name', async (subject) => {
    const answers = [
      await under(subject),
      await service.ask(subject.method, subject.path, {
        ...subject.ask,
        key: otherCaller,
        headers: { ...subject.ask?.headers, 'idempotency-key': key, 'maton-connection': seededConnection },
      }),
    ];
    expect(answers.map(({ status, headers }) => [status, headers['idempotency-replayed']])).toEqual([
      [201, undefined],
      [201, undefined],
    ]);
    expect(requests(subject)).toBe(2);
  });

  it('is valid for one route', async () => {
    const answers = [];
    for (const subject of everySubject) answers.push(await under(subject));
    expect(answers.map(({ status, headers }) => [status, headers['idempotency-replayed']])).toEqual(
      everySubject.map(() => [201, undefined]),
    );
  });

  it.each(everySubject)('sends once, however many requests come at once: $name', async (subject) => {
    const answers = await Promise.all(Array.from({ length: 50 }, () => under(subject)));
    const kinds = answers.map(({ status, headers }) =>
      status === 201 ? (headers['idempotency-replayed'] === 'true' ? 'replayed' : 'sent') : status,
    );
    expect(kinds.filter((kind) => kind === 'sent')).toHaveLength(1);
    expect(kinds.filter((kind) => kind !== 'sent' && kind !== 'replayed' && kind !== 409)).toEqual([]);
    expect(requests(subject)).toBe(1);
    expect(service.simulator.ledger.sendsTo(to)).toHaveLength(1);
  });

  const post = (path: string, headers: Record<string, string>, body: string | Buffer): Subject => ({
    name: 'faulty',
    method: 'POST',
    path,
    operation: 'sendSessionMessage',
    ask: { headers, body },
  });
  const json = { 'content-type': 'application/json' };
  const filePath = `/v1/messages/file?to=${to}`;
  const csvPath = csvSubject(to).path;
  const faulty: [name: string, wrong: Subject, right: Subject | undefined, status: number, key?: string][] = [
    [
      'a property too many',
      post('/v1/messages/text', json, '{"to":"14155551000","text":"Hi","x":1}'),
      textSubject,
      400,
    ],
    ['broken JSON', post('/v1/messages/text', json, '{"to":'), textSubject, 400],
    ['another content type', post('/v1/messages/text', { 'content-type': 'text/plain' }, 'Hi'), textSubject, 415],
    ['a body too large', post('/v1/messages/text', json, `"${'x'.repeat(1_100_000)}"`), textSubject, 413],
    ['no scope', post('/v1/messages/text', json, '{}'), textSubject, 403, 'key-of-a-mere-reader'],
    ['a wrong key', post('/v1/messages/text', json, '{}'), textSubject, 401, 'nobody-has-this-key-00'],
    [
      'a template that is not there',
      post('/v1/messages/template', json, '{"to":"14155551000","template":"gone"}'),
      templateSubject,
      422,
    ],
    ['a form that is none', post(filePath, formHeaders, 'nonsense'), fileSubject(to), 400],
    [
      'a type that is not taken',
      post(filePath, formHeaders, formOf('MZ', 'application/x-msdownload', 'a.exe')),
      fileSubject(to),
      415,
    ],
    ['a file too large', post(filePath, formHeaders, formOf('x'.repeat(200_000))), fileSubject(to), 413],
    [
      'a CSV with a fault at its end',
      post(csvPath, formHeaders, formOf(`Phone\r\n${'14155551001,\r\n'}12\r\n`, 'text/csv', 'a.csv')),
      csvSubject(to),
      422,
    ],
    [
      'a long CSV with a fault at its end',
      post(
        csvPath,
        formHeaders,
        formOf(
          `Phone,Name\r\n${Array.from({ length: 500 }, (_, at) => `${14_155_700_000 + at},somebody`).join('\r\n')}\r\n12,x\r\n`,
          'text/csv',
          'a.csv',
        ),
      ),
      csvSubject(to),
      422,
    ],
  ];
  it.each(faulty)('is not used up by %s', async (_name, wrong, right, status, caller) => {
    if (!right) throw new Error('no subject');
    for (const prefer of ['wait=9', 'respond-async']) {
      const { path, method, ask } = wrong;
      const headers = { ...ask?.headers, 'idempotency-key': key, 'maton-connection': seededConnection, prefer };
      const refused = await service.ask(method, path, { ...ask, headers, ...(caller && { key: caller }) });
      expect([refused.status, refused.headers.location]).toEqual([status, undefined]);
    }
    expect(service.simulator.ledger.sendsTo(to)).toEqual([]);
    const sent = await under(right);
    expect([sent.status, sent.headers['idempotency-replayed']]).toEqual([201, undefined]);
  });

  it('is not used up by a limit of the caller', async () => {
    if (!textSubject) throw new Error('no subject');
    const send = (idempotencyKey: string) =>
      service.ask('POST', textSubject.path, {
        ...textSubject.ask,
        key: slow,
        headers: { 'idempotency-key': idempotencyKey, 'maton-connection': seededConnection },
      });
    const clock = standingClock();
    expect((await send('first')).status).toBe(201);
    expect((await send(key)).status).toBe(429);
    clock.pass(1_000);
    expect((await send(key)).headers['idempotency-replayed']).toBeUndefined();
    vi.restoreAllMocks();
    expect(requests(textSubject)).toBe(2);
  });

  it('is not used up by an upload that breaks off', async () => {
    const { hostname, port } = new URL(service.url);
    const whole = formOf('x'.repeat(50_000));
    const headers = {
      authorization: `Bearer ${allKey}`,
      'maton-connection': seededConnection,
      'idempotency-key': key,
      'content-length': String(whole.length),
      ...formHeaders,
    };
    const outgoing = request({ hostname, port, method: 'POST', path: filePath, headers, agent: false });
    outgoing.on('error', () => {});
    outgoing.write(whole.subarray(0, 20_000));
    await expect.poll(() => requests(fileSubject(to))).toBe(1);
    outgoing.destroy();
    let answer = await under(fileSubject(to));
    while (answer.status === 409) answer = await under(fileSubject(to));
    expect([answer.status, answer.headers['idempotency-replayed']]).toEqual([201, undefined]);
    expect(service.simulator.ledger.of('sendSessionFile').map(({ processed }) => processed)).toEqual([false, true]);
  });

  it('is answered from the record, whatever has happened to its template since', async () => {
    for (const subject of [templateSubject, csvSubject(to)]) {
      if (!subject) throw new Error('no subject');
      service.simulator.reset();
      const first = await under(subject);
      service.simulator.tenant.templates.length = 0;
      const again = await under(subject);
      expect([first.status, again.status, again.headers['idempotency-replayed']]).toEqual([201, 201, 'true']);
      expect((await askFor(service, subject, { 'idempotency-key': `${key}-new` })).status).toBe(422);
    }
  });

  it.each(['', 'a b', 'ü', 'x'.repeat(256), 'a/b'])('is refused where it is ill-formed: %j', async (bad) => {
    for (const subject of everySubject) {
      const headers = { ...subject.ask?.headers, 'maton-connection': seededConnection };
      const answer = await service.ask(subject.method, subject.path, {
        ...subject.ask,
        headers: { ...headers, 'idempotency-key': Buffer.from(bad).toString('latin1') },
      });
      expect([subject.name, answer.status, slug(answer)]).toEqual([subject.name, 400, 'validation-failed']);
    }
    expect(service.simulator.ledger.sendsTo(to)).toEqual([]);
  });

  it('is required for a CSV', async () => {
    const { path, ask } = csvSubject(to);
    const headers = { ...formHeaders, 'maton-connection': seededConnection };
    const answer = await service.ask('POST', path, { ...ask, headers });
    expect([answer.status, slug(answer)]).toEqual([400, 'validation-failed']);
  });
});
