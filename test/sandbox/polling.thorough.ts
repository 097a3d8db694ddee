import { expect, it } from 'vitest';
import { isRecord } from '../support/json.ts';
import { started } from './helper.ts';

const silent = '14155550754';

it('a message without webhooks gets its state from the history, two minutes later', async () => {
  const { ask, text, order, advance, ledger } = await started({ TRACKING_POLL: 'always' });
  const ids = [String((await text(silent)).json.id), String((await order(silent)).json.id)];
  const delivery = async () =>
    Promise.all(ids.map(async (id) => (await ask('GET', `/v1/messages/${id}`)).json.delivery));
  await advance(60);
  expect(await delivery()).toEqual([undefined, undefined]);
  await advance(70);
  const read = { status: 'read', source: 'poll' };
  await expect.poll(delivery, { timeout: 15_000 }).toMatchObject([read, read]);
  expect(await ledger('?operation=getMessages')).toHaveLength(1);
  const { json: conversation } = await ask('GET', `/v1/conversations/${silent}`);
  expect(isRecord(conversation) && conversation.window).toMatchObject({ open: true, source: 'history' });
});
