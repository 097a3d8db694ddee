import { afterEach, expect, it } from 'vitest';
import { type Callers, callerEntry, fixedCallers } from '../../src/callers.ts';
import { defaultRetryDelays } from '../../src/settings/retry-delays.ts';
import { fields } from '../routes/outcomes.ts';
import { type Service, startService } from '../support/service.ts';

let service: Service;
afterEach(() => service.close());

const key = 'key-of-the-crm-long-enough';
const scopes = ['messages:send', 'messages:read', 'broadcasts:send'];
const parameters = { customer_name: 'Asha', order_id: 'A-1001', order_status: 'shipped' };
const operation = 'sendTemplateMessagesV2';

/** Callers whose file changes when a test says so. */
function changing() {
  const entries = (granted: string[], connections: string[]) => [
    callerEntry('tester', 'key-of-the-tester-with-all', { scopes: ['*'] }),
    ...(granted.length > 0 ? [callerEntry('crm', key, { scopes: granted, connections })] : []),
  ];
  let current = fixedCallers(entries(scopes, ['*']));
  const callers: Callers = {
    find: (given) => current.find(given),
    byId: (id) => current.byId(id),
    list: () => current.list(),
    close: () => {},
  };
  const grant = (granted: string[], connections: string[] = ['*']) => {
    current = fixedCallers(entries(granted, connections));
  };
  return { callers, grant, asOperator: { key: 'key-of-the-tester-with-all' } };
}

const hasty = { ...defaultRetryDelays, lookEveryMs: 50 };
const numbers = (n: number) => Array.from({ length: n }, (_, at) => String(14155552000 + at));
const start = async (callers: Callers, settings: Record<string, string> = {}) => {
  service = await startService({
    seams: { callers, pauses: hasty },
    settings: { GROUP_MAX_BROADCAST: '1', ...settings },
  });
};
const broadcast = (n: number) =>
  service.ask('POST', '/v1/broadcasts', {
    key,
    headers: { 'idempotency-key': 'one' },
    json: {
      template: 'order_update',
      broadcastName: 'sale',
      recipients: numbers(n).map((to) => ({ to, parameters })),
    },
  });
const sent = () => service.simulator.ledger.of(operation).length;

it.each<[string, string[], string[]]>([
  ['its entry', [], ['*']],
  ['its scope', ['messages:send', 'messages:read'], ['*']],
  ['its connection', scopes, ['another']],
])(
  'a broadcast of a caller who loses %s waits, says why, and goes on when it is back',
  async (_what, left, through) => {
    const { callers, grant, asOperator } = changing();
    await start(callers, { MATON_RATE_PER_SECOND: '20', WATI_PLAN: 'none' });
    const { id } = fields((await broadcast(40)).json);
    await expect.poll(sent).toBeGreaterThan(1);
    grant(left, through);
    const shown = async () => {
      const { json } = await service.ask('GET', '/v1/operations/broadcasts?caller=crm', asOperator);
      return (fields(json).data as Record<string, unknown>[]).find((each) => each.id === id);
    };
    await expect.poll(async () => fields((await shown())?.hold).code).toMatch(/-removed$/);
    const isHeld = {
      callerId: 'crm',
      hold: expect.stringMatching(/-removed$/),
      broadcasts: 1,
      queued: expect.any(Number),
    };
    await expect.poll(service.logs).toContainEqual(expect.objectContaining({ ...isHeld, msg: 'broadcasts are held' }));
    // What was on the wire when the entry went has ended; then nothing more goes out.
    await expect.poll(async () => fields((await shown())?.counts).sending).toBe(0);
    const before = sent();
    await new Promise((resume) => setTimeout(resume, 90));
    expect(sent()).toBe(before);
    expect(before).toBeLessThan(40);
    grant(scopes);
    await expect
      .poll(async () => (await service.ask('GET', `/v1/broadcasts/${id}`, { key })).json, { timeout: 30_000 })
      .toMatchObject({
        status: 'done',
        counts: { accepted: 40 },
      });
    expect(sent()).toBe(40);
    const about = (msg: string) => service.logs().filter((line) => line.msg === msg);
    expect(about('broadcast started')).toMatchObject([{ broadcastId: id, callerId: 'crm', total: 40 }]);
    expect(about('broadcasts are held')).toHaveLength(1);
    await expect
      .poll(() => about('broadcast ended'))
      .toMatchObject([{ broadcastId: id, status: 'done', counts: { accepted: 40 } }]);
  },
);

it('single messages without a waiting client stay queued with the reason, leave memory, and are sent once when it is gone', async () => {
  const { callers, grant, asOperator } = changing();
  await start(callers, { MATON_RATE_PER_SECOND: '5', WATI_PLAN: 'none' });
  const to = numbers(12);
  for (const each of to) {
    const json = { to: each, text: 'Hello' };
    const answer = await service.ask('POST', '/v1/messages/text', { key, json, headers: { prefer: 'respond-async' } });
    expect(answer.status).toBe(202);
  }
  grant([]);
  const queued = async () => {
    const { json } = await service.ask('GET', '/v1/operations/messages?caller=crm&status=queued', asOperator);
    return fields(json).data as { hold?: { code: string } }[];
  };
  await expect.poll(async () => (await queued()).every(({ hold }) => hold?.code === 'caller-removed')).toBe(true);
  const waiting = (await queued()).length;
  const metrics = async () => (await service.ask('GET', '/metrics', asOperator)).text;
  await expect.poll(metrics).toContain(`wati_bff_held_messages{reason="caller-removed"} ${waiting}`);
  const isHeld = {
    level: 'warn',
    callerId: 'crm',
    hold: 'caller-removed',
    queued: waiting,
    msg: 'queued sends are held',
  };
  await expect.poll(service.logs).toContainEqual(expect.objectContaining(isHeld));
  grant(scopes);
  const { ledger } = service.simulator;
  await expect.poll(() => ledger.of('sendSessionMessage').length, { timeout: 30_000 }).toBe(to.length);
  const calls = service.simulator.ledger.of('sendSessionMessage').flatMap(({ recipients }) => recipients);
  expect(calls.toSorted()).toEqual(to);
  expect(service.logs().filter(({ msg }) => msg === 'queued sends are held')).toHaveLength(1);
  await expect.poll(metrics).toContain('wati_bff_held_messages{reason="caller-removed"} 0');
});

it('a caller cannot resume what an operator has paused', async () => {
  const { callers, asOperator } = changing();
  await start(callers, { MATON_RATE_PER_SECOND: '5' });
  const { id } = fields((await broadcast(20)).json);
  const paused = await service.ask('POST', `/v1/operations/broadcasts/${id}/pause`, asOperator);
  expect(paused.json).toMatchObject({ status: 'paused', pausedBy: 'operator' });
  expect((await service.ask('POST', `/v1/broadcasts/${id}/resume`, { key })).status).toBe(403);
  expect((await service.ask('GET', `/v1/broadcasts/${id}`, { key })).json).toMatchObject({ pausedBy: 'operator' });
  const resumed = await service.ask('POST', `/v1/operations/broadcasts/${id}/resume`, asOperator);
  expect(resumed.json).toMatchObject({ status: 'running' });
});
