import { hash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { errorForLog, scrubbed } from '../../src/http/error-chain.ts';
import { StoreError } from '../../src/store/errors.ts';
import { openStore } from '../../src/store/open.ts';
import { seededConnection } from '../routes/outcomes.ts';
import { OPTIONS } from '../store/samples.ts';
import { failingStore } from '../support/fake-store.ts';
import { isRecord } from '../support/json.ts';
import { problem } from '../support/problem-type.ts';
import { allKey, type Service, startService } from '../support/service.ts';

const to = '14155551000';
const keyId = hash('sha256', allKey).slice(0, 8);
const field = (json: unknown, name: string) => (isRecord(json) ? String(json[name]) : 'none');

describe('the audit line', () => {
  let service: Service;
  let failing: ReturnType<typeof failingStore>;
  beforeAll(async () => {
    failing = failingStore(await openStore('memory:', OPTIONS));
    service = await startService({ settings: { MATON_CONNECTION_ID: seededConnection }, store: failing.store });
  });
  afterAll(() => service.close());

  /** The line of the request that was answered last. */
  const lineOf = async ({ headers }: { headers: Record<string, unknown> }) =>
    vi.waitFor(() => {
      const line = service
        .logs()
        .find(
          ({ msg, reqId, callerRequestId }) =>
            msg === 'request' && [reqId, callerRequestId].includes(headers['x-request-id']),
        );
      if (!line) throw new Error('no line yet');
      return line;
    });
  const who = { audit: true, caller: 'tester', keyId, remoteAddress: '127.0.0.1' };

  it('names key, address, message and connection of a send, accepted or refused', async () => {
    const sent = await service.ask('POST', '/v1/messages/text', { json: { to, text: 'hello' } });
    const messageId = field(sent.json, 'id');
    expect(await lineOf(sent)).toMatchObject({
      ...who,
      messageId,
      connection: seededConnection,
      outcome: 'accepted',
      route: '/v1/messages/text',
    });
    const refused = await service.ask('POST', '/v1/messages/text', { json: { to: '14155559999', text: 'hello' } });
    expect(refused.status).toBe(422);
    expect(await lineOf(refused)).toMatchObject({
      ...who,
      outcome: 'rejected',
      messageId: expect.stringMatching(/^[0-9a-f-]{36}$/),
    });
    const resent = await service.ask('POST', `/v1/messages/${messageId}/resend`, { json: { reason: 'again' } });
    expect(await lineOf(resent)).toMatchObject({ ...who, problem: 'message-not-resendable' });
  });

  it('names the broadcast that was started and steered', async () => {
    const json = { template: 'welcome', broadcastName: 'b', recipients: [{ to }] };
    const begun = await service.ask('POST', '/v1/broadcasts', { json, headers: { 'idempotency-key': 'one' } });
    const broadcastId = field(begun.json, 'id');
    expect(await lineOf(begun)).toMatchObject({ ...who, broadcastId, connection: seededConnection });
    for (const verb of ['pause', 'resume', 'cancel']) {
      const steered = await service.ask('POST', `/v1/broadcasts/${broadcastId}/${verb}`, { json: {} });
      expect(await lineOf(steered)).toMatchObject({ ...who, broadcastId, status: steered.status });
    }
  });

  it('names the connection that was created or deleted, of which there are ten an hour', async () => {
    const created = await service.ask('POST', '/v1/connections', { json: {} });
    const connection = field(created.json, 'id');
    expect(await lineOf(created)).toMatchObject({ ...who, connection, outcome: 'done' });
    const deleted = await service.ask('DELETE', `/v1/connections/${connection}`);
    expect(await lineOf(deleted)).toMatchObject({ ...who, connection, status: 204 });
    for (let count = 1; count < 10; count++) {
      expect(await service.ask('POST', '/v1/connections', { json: {} })).toMatchObject({ status: 201 });
    }
    const refused = await service.ask('POST', '/v1/connections', { json: {} });
    expect(refused).toMatchObject({
      status: 429,
      json: { type: problem('rate-limited') },
      headers: { 'retry-after': expect.any(String) },
    });
    expect(await lineOf(refused)).toMatchObject(who);
  });

  it('is marked on no read and on nothing without a key', async () => {
    const read = await service.ask('GET', '/v1/broadcasts');
    expect(await lineOf(read)).not.toHaveProperty('audit');
    const nobody = await service.ask('POST', '/v1/messages/text', { key: null, json: { to, text: 'hello' } });
    const line = await lineOf(nobody);
    expect([line.audit, line.keyId, line.remoteAddress]).toEqual([undefined, undefined, '127.0.0.1']);
  });

  it('has an id of ours beside the one that its caller gave', async () => {
    const headers = { 'x-request-id': 'copied-from-somebody' };
    const asked = [
      await service.ask('GET', '/v1/broadcasts', { headers }),
      await service.ask('GET', '/v1/nothing', { headers }),
    ];
    expect(asked.map((each) => each.headers['x-request-id'])).toEqual(['copied-from-somebody', 'copied-from-somebody']);
    expect(asked[1]?.json).toMatchObject({ requestId: 'copied-from-somebody' });
    await vi.waitFor(() => {
      const lines = service.logs().filter(({ callerRequestId }) => callerRequestId === 'copied-from-somebody');
      expect(lines).toHaveLength(2);
      for (const { reqId } of lines) expect(reqId).toMatch(/^[0-9a-f-]{36}$/);
      expect(new Set(lines.map(({ reqId }) => reqId)).size).toBe(2);
    });
  });

  it('is a warning with its causes where the store fails', async () => {
    failing.failing.add('insert');
    const refused = await service.ask('POST', '/v1/messages/text', { json: { to, text: 'hello' } });
    failing.failing.clear();
    expect(refused.status).toBe(503);
    expect(await lineOf(refused)).toMatchObject({
      ...who,
      level: 'warn',
      problem: 'store-unavailable',
      error: { name: 'StoreError', message: 'the disk is full' },
    });
  });
});

describe('an error in the log', () => {
  it('has its chain of causes, codes and messages', () => {
    const root = Object.assign(new Error('connect ECONNREFUSED 10.1.2.3:5432'), { code: 'ECONNREFUSED' });
    const middle = new Error('the pool at db.internal.example.com has no room', { cause: root });
    expect(errorForLog(new StoreError('the store could not write', { cause: middle }))).toEqual({
      name: 'StoreError',
      message: 'the store could not write',
      cause: {
        name: 'Error',
        message: 'the pool at [host] has no room',
        cause: { name: 'Error', code: 'ECONNREFUSED', message: 'connect ECONNREFUSED [address]' },
      },
    });
  });

  it('ends where causes go in a circle', () => {
    const error = new Error('a');
    error.cause = error;
    expect(JSON.stringify(errorForLog(error)).match(/"a"/g)).toHaveLength(5);
  });

  it.each([
    ['postgres://user:secret@db:5432/x refused', '[address] refused'],
    ['user@host.example.com is not known', '[address] is not known'],
    ['connect ECONNREFUSED ::1:5432', 'connect ECONNREFUSED [address]'],
    ['getaddrinfo ENOTFOUND gateway.maton.ai', 'getaddrinfo ENOTFOUND [host]'],
    ['to 14155551000 failed', 'to ***1000 failed'],
    ['bearer abcdefghijklmnopqrstuvwxyz012345', 'bearer [secret]'],
    ['open /data/wati-bff.db: SQLITE_FULL, errcode 13', 'open /data/wati-bff.db: SQLITE_FULL, errcode 13'],
  ])('%s', (message, expected) => expect(scrubbed(message)).toBe(expected));

  it('takes no time, whatever it says', () => {
    for (const unit of ['a-', 'a.', '1.', ':', 'a@', '0:', '1 ', '://', 'x']) {
      const begun = process.cpuUsage().user;
      scrubbed(unit.repeat(32_768));
      expect(process.cpuUsage().user - begun, unit).toBeLessThan(100_000);
    }
  });
});
