import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Service, startService } from '../support/service.ts';
import { seededConnection } from './outcomes.ts';

const known = '14155551000';

describe('the rows of a conversation', () => {
  let service: Service;
  beforeAll(async () => {
    service = await startService({ settings: { DOCS: 'off', MATON_CONNECTION_ID: seededConnection } });
  });
  beforeEach(() => service.simulator.reset());
  afterAll(() => service.close());

  type Told = { data: Record<string, unknown>[] };
  const told = async (rows: object[], query = ''): Promise<Told['data']> => {
    const items = rows.map((row, at) => ({
      id: `m${at}`,
      eventType: 'message',
      owner: false,
      type: 'text',
      text: 'Hi',
      ...row,
    }));
    service.simulator.script('getMessages', { body: { result: 'success', messages: { items } } });
    return ((await service.ask('GET', `/v1/conversations/${known}/messages${query}`)).json as Told).data;
  };

  it('name the sender, or that it is unknown if WATI does not say', async () => {
    const owners = { in: [false, 'false'], out: [true, 'true'], unknown: [null, undefined, '', 0, 'x', {}] };
    for (const [direction, values] of Object.entries(owners)) {
      const rows = await told(values.map((owner) => ({ owner })));
      expect(rows.map((row) => row.direction)).toEqual(values.map(() => direction));
    }
    const templates = [
      { owner: null, type: 'template' },
      { owner: undefined, eventType: 'broadcastMessage' },
    ];
    expect((await told(templates)).map((row) => row.direction)).toEqual(['out', 'out']);
    expect(await told([{ owner: null, eventType: 'ticket' }])).toEqual([]);
  });

  it('contain taps, places and contacts, in a schema of their own', async () => {
    const rows = await told([
      { type: 'interactive', text: null, interactiveButtonReply: { id: '1', title: 'Yes please' } },
      { type: 'location', text: null, location: { latitude: '12.97', longitude: 77.59 } },
      { type: 'contacts', text: null, contacts: [{ name: { formatted_name: 'Asha' }, phones: [{ phone: '+91 1' }] }] },
      {
        type: 'order',
        text: null,
        order: { catalog_id: 'c1', product_items: [{ product_retailer_id: 'p1', quantity: 2 }] },
      },
      { type: 'reaction', text: null, reaction: { emoji: '👍', message_id: 'wamid.1' } },
      { type: 'text', text: 'Hi', listReply: null, location: null },
    ]);
    expect(rows.map(({ id: _, at: __, direction: ___, ...row }) => row)).toEqual([
      { type: 'interactive', text: 'Yes please', button: { text: 'Yes please', id: '1' } },
      { type: 'location', location: { latitude: 12.97, longitude: 77.59 } },
      { type: 'contacts', contacts: [{ name: 'Asha', phones: ['+91 1'] }] },
      { type: 'order', order: { catalogId: 'c1', items: [{ productId: 'p1', quantity: 2 }] } },
      { type: 'reaction', reaction: { emoji: '👍', messageId: 'wamid.1' } },
      { type: 'text', text: 'Hi' },
    ]);
  });

  it('never take a state of a message back if WATI lists it twice', async () => {
    const states = ['SENT', 'DELIVERED', 'READ', 'REPLIED', null];
    for (const one of states) {
      for (const other of states) {
        const rows = await told([
          { id: 'same', statusString: one },
          { id: 'same', statusString: other },
          { id: 'next' },
        ]);
        const best = states.findLast((state) => state !== null && [one, other].includes(state));
        expect(rows.map(({ id, status }) => [id, status])).toEqual([
          ['same', best?.toLowerCase()],
          ['next', undefined],
        ]);
      }
    }
    const failed = await told([
      { id: 'a', statusString: 'SENT' },
      { id: 'a', statusString: 'FAILED', failedCode: '131026' },
    ]);
    expect(failed).toMatchObject([{ status: 'failed', failure: { code: '131026' } }]);
    expect(
      await told([
        { id: 'b', statusString: 'READ' },
        { id: 'b', statusString: 'FAILED' },
      ]),
    ).toMatchObject([{ status: 'read' }]);
    // Without an id, nothing says that two are one.
    expect(await told([{ id: null }, { id: null }])).toHaveLength(2);
  });
});
