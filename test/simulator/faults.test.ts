import { describe, expect, test } from 'vitest';
import type { Fault } from '../../src/simulator/faults.ts';
import { codeOf, otp, rawSocket, started } from './helper.ts';

const to = '14155551000';

describe('a scripted fault', () => {
  const breaking: ReadonlyArray<readonly [Fault, string, boolean]> = [
    ['refuse', 'UND_ERR_SOCKET', false],
    ['reset-before', 'ECONNRESET', false],
    ['reset-after', 'ECONNRESET', true],
    ['close-after', 'UND_ERR_SOCKET', true],
    ['truncate', 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH', true],
  ];
  test.each(breaking)('%s ends with %s, processed: %s', async (fault, code, processed) => {
    const { simulator, text } = await started();
    const before = simulator.tenant.history.get(to)?.length ?? 0;
    simulator.script('sendSessionMessage', { fault });
    expect(await codeOf(text(to))).toBe(code);
    expect(simulator.ledger.sendsTo(to)).toMatchObject([{ processed }]);
    expect(simulator.tenant.history.get(to)).toHaveLength(before + (processed ? 1 : 0));
    expect((await text(to)).status).toBe(200);
  });

  test.each([
    ['hang', false],
    ['hang-processed', true],
  ] as const)('%s never answers, processed: %s, and close does not wait for it', async (fault, processed) => {
    const { simulator, text } = await started();
    simulator.script('sendSessionMessage', { fault });
    const ended = codeOf(text(to));
    await expect.poll(() => simulator.ledger.entries[0]?.complete).toBe(true);
    expect(simulator.ledger.entries[0]).toMatchObject({ processed });
    expect(simulator.ledger.entries[0]?.status).toBeUndefined();
    await simulator.close();
    expect(await ended).toBe('UND_ERR_SOCKET');
  });

  test('late acts at once and answers after the deadline', async () => {
    const { simulator, text } = await started({ lateMs: 300 });
    simulator.script('sendSessionMessage', { fault: 'late' });
    const start = performance.now();
    const answering = text(to);
    await expect.poll(() => simulator.ledger.sendsTo(to)[0]?.processed).toBe(true);
    expect((await answering).json()).toMatchObject({ ok: true });
    expect(performance.now() - start).toBeGreaterThan(290);
  });

  test('drip sends one byte per 300 ms', async () => {
    const { simulator, gateway } = await started();
    simulator.script('getContacts', { body: '{}', fault: 'drip' });
    const start = performance.now();
    expect((await gateway('/api/v1/getContacts')).text).toBe('{}');
    expect(performance.now() - start).toBeGreaterThan(290);
  });

  test('reset-mid-body and early meet an upload that is still coming', async () => {
    const { simulator } = await started();
    const head = (length: number) => [
      'POST /wati/api/v1/sendSessionFile/14155551000 HTTP/1.1',
      'Content-Type: multipart/form-data; boundary=b',
      `Content-Length: ${length}`,
    ];
    simulator.script(
      'sendSessionFile',
      { fault: 'reset-mid-body' },
      { fault: 'early', status: 200, body: { ok: true } },
    );
    const reset = rawSocket(simulator, head(1_000_000));
    reset.write(Buffer.alloc(70_000));
    const error = await new Promise<NodeJS.ErrnoException>((resolve) => reset.once('error', resolve));
    expect(error.code).toBe('ECONNRESET');

    const early = rawSocket(simulator, head(1_000_000));
    const answer = await new Promise<Buffer>((resolve) => early.once('data', resolve));
    expect(String(answer)).toMatch(/^HTTP\/1.1 200 OK/);
    early.destroy();
    await expect.poll(() => simulator.ledger.entries[1]?.status).toBe(200);
    expect(simulator.ledger.entries).toMatchObject([
      { complete: false, processed: false },
      { complete: false, processed: false, status: 200 },
    ]);
    expect(simulator.violations).toEqual([]);
  });

  test('answers are taken in order, one request each, with the status and headers as given', async () => {
    const { simulator, text } = await started();
    simulator.script(
      'sendSessionMessage',
      { status: 503, headers: { 'retry-after': '7' }, body: '<html>' },
      { status: 500, process: true, body: { message: 'An error occurred' } },
      { delayMs: 100 },
    );
    expect(await text(to)).toMatchObject({ status: 503, text: '<html>', headers: { 'retry-after': '7' } });
    expect((await text(to)).status).toBe(500);
    const start = performance.now();
    expect((await text(to)).status).toBe(200);
    expect(performance.now() - start).toBeGreaterThan(95);
    expect(simulator.ledger.sendsTo(to).map((entry) => entry.processed)).toEqual([false, true, true]);
  });
});

describe('a magic recipient', () => {
  const magic: ReadonlyArray<readonly [string, string, boolean]> = [
    ['0000', '200 true', true],
    ['0101', 'UND_ERR_SOCKET', false],
    ['0201', 'ECONNRESET', false],
    ['0202', 'ECONNRESET', true],
    ['0302', '200 true', true],
    ['0409', '200 false', false],
    ['0422', '200 false', false],
    ['0423', '200 false', false],
    ['0429', '429', false],
    ['0500', '500', false],
    ['0502', '502', false],
    ['0600', 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH', true],
    ['0601', '200 html', true],
  ];

  async function outcome(call: Promise<{ status: number; text: string }>): Promise<string> {
    try {
      const { status, text } = await call;
      if (status !== 200) return String(status);
      if (text.startsWith('<')) return '200 html';
      return `200 ${/"result":false|"isValidWhatsAppNumber":false|"errors":\["/.test(text) ? 'false' : 'true'}`;
    } catch (error) {
      return codeOf(Promise.reject(error));
    }
  }

  test.each(magic)('%s of a text: %s, processed: %s', async (digits, expected, processed) => {
    const { simulator, text } = await started({ lateMs: 50 });
    expect(await outcome(text(`1999555${digits}`))).toBe(expected);
    expect(simulator.ledger.entries).toMatchObject([{ processed, recipients: [`1999555${digits}`] }]);
    expect(simulator.violations).toEqual([]);
  });

  test.each(magic)('%s of a template: %s, processed: %s', async (digits, expected, processed) => {
    const { simulator, template } = await started({ lateMs: 50 });
    expect(await outcome(template(otp(`1999555${digits}`)))).toBe(expected);
    expect(simulator.ledger.sendsTo(`1999555${digits}`)).toMatchObject([{ processed }]);
    expect(simulator.violations).toEqual([]);
  });

  test('0301 never answers', async () => {
    const { simulator, text, template } = await started();
    const ends = [codeOf(text('19995550301')), codeOf(template(otp('19995550301')))];
    await expect.poll(() => simulator.ledger.entries.filter((entry) => entry.complete)).toHaveLength(2);
    await simulator.close();
    expect(await Promise.all(ends)).toEqual(['UND_ERR_SOCKET', 'UND_ERR_SOCKET']);
  });

  test('0429 is refused once, with Retry-After, and then served', async () => {
    const { simulator, text } = await started();
    expect((await text('19995550429')).headers['retry-after']).toBe('1');
    expect((await text('19995550429')).status).toBe(200);
    simulator.reset();
    expect((await text('19995550429')).status).toBe(429);
  });

  test('in a bulk call, transport befalls all and a refusal only its receiver', async () => {
    const { simulator, template } = await started();
    const mixed = await template(otp('19995550000'), otp('19995550423'), otp('19995550422'), otp('14155551020'));
    expect(mixed.json()).toMatchObject({
      result: true,
      receivers: [
        { isValidWhatsAppNumber: true, errors: [] },
        { isValidWhatsAppNumber: false },
        { errors: ['Insufficient credits to send this message'] },
        { errors: ['Contact has opted out of broadcast messages'] },
      ],
    });
    expect(await codeOf(template(otp('19995550001'), otp('19995550201')))).toBe('ECONNRESET');
    expect(simulator.tenant.contacts.has('19995550001')).toBe(false);
  });
});
