import { expect, it, vi } from 'vitest';
import { problem } from '../support/problem-type.ts';
import { started } from './helper.ts';

const daySeconds = 24 * 60 * 60;

it('tells what becomes of a message, and what a customer writes, in the feed, for as long as events are kept', async () => {
  const { ask, list, order, advance } = await started();
  const { nextCursor } = (await ask('GET', '/v1/events?cursor=latest')).json;
  const behind = `/v1/events?cursor=${nextCursor}`;
  const { id } = (await order('14155550100')).json;
  await ask('POST', '/_sandbox/messages', { from: '14155550100', text: 'Thank you!' });
  const told = async () => Object.fromEntries((await list(behind)).map(({ type, data }) => [type, data]));
  await vi.waitFor(
    async () =>
      expect(await told()).toMatchObject({
        'message.accepted': { message: { id } },
        'message.read': { message: { id }, change: { to: 'read' } },
        'message.received': { received: { recipient: '14155550100', text: 'Thank you!', window: { open: true } } },
      }),
    10_000,
  );
  await advance(8 * daySeconds);
  expect(await ask('GET', behind)).toMatchObject({ status: 410, json: { type: problem('cursor-expired') } });
  expect(await list('/v1/events')).toEqual([]);
});

it('forgets endpoints when it is reset', async () => {
  const { ask, list, reset } = await started();
  const endpoint = { url: 'http://127.0.0.1:4001/', types: ['message.*'] };
  expect((await ask('POST', '/v1/webhook-endpoints', endpoint)).status).toBe(201);
  await reset();
  expect(await list('/v1/webhook-endpoints')).toEqual([]);
});
