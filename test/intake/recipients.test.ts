import { afterAll, beforeAll, expect, it } from 'vitest';
import { fixedTokens } from '../../src/intake/tokens.ts';
import { defaultRetryDelays } from '../../src/settings/retry-delays.ts';
import { openStore, type Store } from '../../src/store/open.ts';
import { seededConnection } from '../routes/outcomes.ts';
import { OPTIONS } from '../store/samples.ts';
import { record } from '../support/operations.ts';
import { type Service, startService } from '../support/service.ts';
import { entryOf, token } from './door.ts';

const parameters = { customer_name: 'Asha', order_id: 'A-1', order_status: 'shipped' };
const threeDays = 3 * 86_400_000;

/** What a message comes to whose recipient ends so; undefined: nothing is heard of it. */
const promised: readonly (readonly [digits: string, delivery: object | undefined])[] = [
  ['0000', { status: 'read' }],
  ['0701', { status: 'delivered' }],
  ['0702', { status: 'sent' }],
  ['0703', { status: 'read', deliveredAt: expect.any(String) }],
  ['0704', { status: 'read', repliedAt: expect.any(String) }],
  ['0726', { status: 'failed', failure: { code: '131026', kind: 'recipient' } }],
  ['0747', { status: 'failed', failure: { code: '131047', kind: 'window' } }],
  ['0749', { status: 'failed', failure: { code: '131049', kind: 'held-back' } }],
  ['0750', { status: 'delivered', failedAt: expect.any(String) }],
  ['0751', { status: 'read' }],
  ['0752', { status: 'read' }],
  ['0753', { status: 'read' }],
  ['0754', undefined],
  ['0755', { status: 'read' }],
  ['0756', { status: 'read' }],
  ['0757', { status: 'read', repliedAt: expect.any(String) }],
];

let service: Service;
let store: Store;
beforeAll(async () => {
  let intakePort = 0;
  store = await openStore('memory:', OPTIONS);
  service = await startService({
    store,
    settings: { INTAKE_PORT: '0', INTAKE_TOKENS_FILE: 'not read in tests', MATON_CONNECTION_ID: seededConnection },
    seams: {
      intake: {
        tokens: fixedTokens([{ ...entryOf('acme', token), connectionId: seededConnection }]),
        onListening: (port) => {
          intakePort = port;
        },
      },
      pauses: { ...defaultRetryDelays, intakeEveryMs: 20 },
    },
  });
  service.simulator.webhooks.pointTo(`http://127.0.0.1:${intakePort}/wati/${token}`);
});
afterAll(() => service.close());

const read = async (path: string) => record((await service.ask('GET', path)).json);

it('each recipient of the sandbox reaches the documented state with twins and repeats, out of order', async () => {
  const prefix = '1415557';
  const troubled = { twins: true, duplicates: 1, disorderMs: 60_000, seed: 7 };
  expect(service.simulator.webhooks.change(troubled)).toBeUndefined();
  const sent = await Promise.all(
    promised.map(async ([digits, delivery]) => {
      const to = `${prefix}${digits}`;
      const answer = await service.ask('POST', '/v1/messages/template', {
        json: { to, template: 'order_update', parameters },
      });
      return { to, digits, delivery, id: String(record(answer.json).id) };
    }),
  );
  await service.simulator.advance(threeDays);
  for (const { id, digits, delivery } of sent) {
    const known = async () => {
      const message = await read(`/v1/messages/${id}`);
      return { digits, status: message.status, delivery: message.delivery };
    };
    await expect.poll(known).toMatchObject({ digits, status: 'accepted', ...(delivery && { delivery }) });
    if (!delivery) expect((await known()).delivery).toBeUndefined();
  }
  await expect.poll(() => store.intakeState()).toMatchObject({ failed: 0 });
  const conversation = (who: string) => expect.poll(() => read(`/v1/conversations/${who}`));
  await conversation(`${prefix}0704`).toMatchObject({ window: { open: true, source: 'webhook' } });
  await conversation(`${prefix}0747`).toMatchObject({ window: { open: false, source: 'refusal' } });
  await conversation(`${prefix}0000`).toMatchObject({ window: { source: 'none' }, repliesTo: 'you' });
  // Who answers without a number, and quotes.
  const known = { phone: `${prefix}0757`, bsuid: expect.any(String), window: { open: true }, repliesTo: 'you' };
  await conversation(`${prefix}0757`).toMatchObject(known);
  const { bsuid } = await read(`/v1/conversations/${prefix}0757`);
  await conversation(String(bsuid)).toMatchObject(known);
  const { posts } = service.simulator.webhooks;
  expect(posts.length).toBeGreaterThan(30);
});
