import { afterEach, expect, it } from 'vitest';
import { htmlPage } from '../../src/simulator/pages.ts';
import { fields } from '../routes/outcomes.ts';
import { startPaced } from '../support/paced.ts';
import { problem } from '../support/problem-type.ts';
import { refuseScripts } from '../support/refuse-scripts.ts';
import { type Service, startService } from '../support/service.ts';

let service: Service;
afterEach(() => service.close());

const parameters = { customer_name: 'Asha', order_id: 'A-1001', order_status: 'shipped' };
const operation = 'sendTemplateMessagesV2';

async function broadcastOf(recipients: string[]) {
  const json = {
    template: 'order_update',
    broadcastName: 'sale',
    recipients: recipients.map((to) => ({ to, parameters })),
  };
  const started = await service.ask('POST', '/v1/broadcasts', { json, headers: { 'idempotency-key': 'one' } });
  const { id } = fields(started.json);
  const read = async () => fields((await service.ask('GET', `/v1/broadcasts/${id}`)).json);
  await expect.poll(async () => (await read()).status, { timeout: 20_000 }).toBe('done');
  return read();
}

const four = ['14155551000', '14155551001', '14155551002', '14155551003'];

it('a receiver that the edge refuses is rejected, and its neighbours are accepted', async () => {
  service = await startService({ settings: { GROUP_MAX_BROADCAST: '4', MATON_RATE_PER_SECOND: '100' } });
  const refused = { status: 403, body: htmlPage('403 Forbidden'), process: false };
  const fine = {};
  // All four, then the first two, then the others, of whom the last is at fault.
  service.simulator.script(operation, refused, fine, refused, fine, refused);
  const { counts, rejections } = await broadcastOf(four);
  expect(counts).toMatchObject({ accepted: 3, rejected: 1, unknown: 0 });
  expect(rejections).toEqual({ edge: 1 });
  const calls = service.simulator.ledger.of(operation);
  expect(calls.map(({ recipients }) => recipients.length)).toEqual([4, 2, 2, 1, 1]);
  for (const to of four)
    expect(service.simulator.ledger.sendsTo(to).filter(({ processed }) => processed).length).toBeLessThan(2);
});

it('GROUP_SPLIT=off rejects all messages of a batch that a 2xx refuses', async () => {
  service = await startService({ settings: { GROUP_MAX_BROADCAST: '4', GROUP_SPLIT: 'off' } });
  const body = { result: false, error: 'Something in it is wrong', receivers: [] };
  service.simulator.script(operation, { status: 200, body, process: false });
  const { counts } = await broadcastOf(four);
  expect(counts).toMatchObject({ rejected: 4 });
  expect(service.simulator.ledger.of(operation)).toHaveLength(1);
});

it('a stop while a refused batch is on the wire lets none of its halves out, and they go out once it is lifted', async () => {
  service = await startService({ settings: { GROUP_MAX_BROADCAST: '4', MATON_RATE_PER_SECOND: '100' } });
  const answer = Promise.withResolvers<void>();
  const refused = { status: 403, body: htmlPage('403 Forbidden'), process: false, until: answer.promise };
  service.simulator.script(operation, refused);
  const sent = broadcastOf(four);
  await expect.poll(() => service.simulator.ledger.of(operation).length).toBe(1);
  const stop = (all: boolean) =>
    service.ask('PUT', '/v1/operations/sending', { json: { stopped: { all }, reason: 'a test' } });
  expect((await stop(true)).status).toBe(200);
  answer.resolve();
  const waiting = async () => fields((await service.ask('GET', '/v1/operations/overview')).json).messages;
  await expect.poll(waiting).toMatchObject({ queued: 4, sending: 0 });
  expect(service.simulator.ledger.of(operation)).toHaveLength(1);
  await stop(false);
  const { counts, status } = await sent;
  expect({ counts, status }).toMatchObject({ counts: { accepted: 4, rejected: 0, notSent: 0 }, status: 'done' });
});

it('of single messages of two callers in one call, one is at fault: the others are accepted', async () => {
  const key = 'key-of-another-caller';
  const paced = await startPaced(10, {
    callers: [{ name: 'other', key, scopes: ['*'], connections: ['*'] }],
  });
  ({ service } = paced);
  refuseScripts(service);
  await paced.during(service.ask('GET', '/v1/templates'));
  const sends = Array.from({ length: 8 }, (_, at) => {
    const order_status = at === 5 ? '<script>' : 'shipped';
    const json = {
      to: `1415555100${at}`,
      template: 'order_update',
      parameters: { ...parameters, order_status },
      broadcastName: 'x',
    };
    return service.ask('POST', '/v1/messages/template', { json, ...(at % 2 === 0 && { key }) });
  });
  const answers = await paced.during(Promise.all(sends));
  expect(answers.map(({ status }) => status)).toEqual([201, 201, 201, 201, 201, 422, 201, 201]);
  expect(answers[5]?.json).toMatchObject({ type: problem('template-parameters-invalid'), outcome: 'rejected' });
  expect(service.simulator.ledger.of(operation).some(({ recipients }) => recipients.length > 1)).toBe(true);
});
