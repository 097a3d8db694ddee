import { expect, it } from 'vitest';
import { isRecord } from '../support/json.ts';
import { started } from './helper.ts';

const day = 86_400;

/** What the service says of a message to a recipient that ends so, once its webhooks came. */
const promised: readonly (readonly [digits: string, delivery: object | undefined])[] = [
  ['0000', { status: 'read' }],
  ['0701', { status: 'delivered' }],
  ['0702', { status: 'sent' }],
  ['0703', { status: 'read' }],
  ['0704', { status: 'read', repliedAt: expect.any(String) }],
  ['0726', { status: 'failed', failure: { code: '131026', kind: 'recipient' } }],
  ['0747', { status: 'failed', failure: { code: '131047', kind: 'window' } }],
  ['0749', { status: 'failed', failure: { code: '131049', kind: 'held-back' } }],
  ['0750', { status: 'delivered', failedAt: expect.any(String) }],
  ['0751', { status: 'read' }],
  ['0752', { status: 'read' }],
  ['0754', undefined],
  ['0755', { status: 'read' }],
  ['0756', { status: 'read' }],
  ['0757', { status: 'read', repliedAt: expect.any(String) }],
];

it('reports for each recipient, for a text and a template, the states of its webhooks, and a day later those that came by then', async () => {
  const { ask, text, order, advance } = await started();
  const sends = [...promised.map(([digits]) => digits), '0753'].flatMap((digits) => [
    { digits, sent: text(`1415556${digits}`) },
    { digits, sent: order(`1415557${digits}`) },
  ]);
  const ids = await Promise.all(sends.map(async ({ digits, sent }) => ({ digits, id: String((await sent).json.id) })));
  await advance(5);
  const message = async (id: string) => (await ask('GET', `/v1/messages/${id}`)).json;
  for (const { digits, id } of ids.filter((each) => each.digits !== '0753')) {
    const delivery = promised.find(([each]) => each === digits)?.[1];
    const seen = async () => {
      const { status, delivery: told } = await message(id);
      return { status, delivery: isRecord(told) ? told : undefined };
    };
    if (delivery === undefined) expect(await seen()).toEqual({ status: 'accepted', delivery: undefined });
    else await expect.poll(seen, { timeout: 15_000, message: digits }).toMatchObject({ status: 'accepted', delivery });
  }
  const late = ids.filter(({ digits }) => digits === '0753');
  for (const { id } of late) expect((await message(id)).delivery).toBeUndefined();
  await advance(day);
  for (const { id } of late) {
    await expect.poll(async () => (await message(id)).delivery, { timeout: 15_000 }).toMatchObject({ status: 'read' });
  }
  const posts = (await ask('GET', '/_sandbox/webhooks?limit=1000')).json;
  expect(posts).toMatchObject({ status: 'enabled', failuresInARow: 0, waiting: 0 });
});
