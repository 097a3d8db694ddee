import fc from 'fast-check';
import { expect, it } from 'vitest';
import { parseHistory } from '../../src/tracking/history-rows.ts';
import type { JsonObject } from '../../src/upstream/tolerant-reader.ts';

const readAtMs = Date.UTC(2026, 10, 30, 10);
const created = '2026-11-30T09:00:00.1234567Z';
const eventsOf = (...rows: JsonObject[]) =>
  parseHistory(rows, { connectionId: 'c1', recipient: '14155550100', readAtMs }).map(({ event }) => event);
const ours = { eventType: 'message', owner: true, localMessageId: 'm1', id: 'w1', created };
const sentence = (name: string) => `Broadcast message with using "${name}" template`;
const template = {
  eventType: 'broadcastMessage',
  eventDescription: sentence('welcome'),
  statusString: 'READ',
  created,
};

it.each([
  ['SENT', 'sent'],
  ['Delivered', 'delivered'],
  ['read', 'read'],
  ['REPLIED', 'replied'],
  ['FAILED', 'failed'],
])('reads %s as %s, in any case, at the time of the row', (statusString, fact) => {
  const at = Date.parse('2026-11-30T09:00:00.123Z');
  expect(eventsOf({ ...ours, statusString })).toMatchObject([
    { kind: 'status', fact, at, ids: { localMessageId: 'm1', watiId: 'w1' }, recipient: { phone: '14155550100' } },
  ]);
});

it.each(['PENDING', 'SENDING', 'UNREAD', 'NOT_DELIVERED', '', null, 7, undefined])(
  'of a message whose state is %j takes the ids alone',
  (statusString) => {
    expect(eventsOf({ ...ours, statusString })).toMatchObject([{ kind: 'outgoing', ids: { localMessageId: 'm1' } }]);
  },
);

it('reports why a message failed, even if WATI does not', () => {
  const failed = { ...ours, statusString: 'FAILED' };
  expect(eventsOf({ ...failed, failedCode: '131049', failedDetail: 'Held back' })).toMatchObject([
    { failure: { code: '131049', detail: 'Held back' } },
  ]);
  expect(eventsOf(failed)).toMatchObject([{ failure: { code: 'unknown' } }]);
});

it('takes only the customer’s last message, and none without a time or an owner', () => {
  const his = { eventType: 'message', owner: false, statusString: 'SENT' };
  const rows = [
    { ...his, created: '2026-11-29T09:00:00Z' },
    { ...his, owner: 'false', created: '2026-11-30T08:00:00Z' },
    his,
    { eventType: 'message', created },
    { eventType: 'ticket', owner: false, created },
  ];
  expect(eventsOf(...rows)).toMatchObject([{ kind: 'received', at: Date.parse('2026-11-30T08:00:00Z') }]);
  expect(eventsOf(his)).toEqual([]);
});

it('assigns a template by name if only one row can be meant', () => {
  const names = (...rows: JsonObject[]) =>
    eventsOf(...rows).map((event) => (event.kind === 'status' ? event.template : ''));
  const later = (minutes: number) => ({ created: new Date(Date.parse('2026-11-30T09:00:00Z') + minutes * 60_000) });
  const at = (minutes: number) => ({ ...template, created: later(minutes).created.toISOString() });
  expect(names(template)).toEqual(['welcome']);
  expect(names({ ...template, eventDescription: undefined, templateName: 'welcome' })).toEqual(['welcome']);
  expect(names(at(0), at(15))).toEqual([undefined, undefined]);
  expect(names(at(0), at(17))).toEqual(['welcome', 'welcome']);
  expect(names(template, { ...template, localMessageId: 'm2' })).toEqual(['welcome', undefined]);
  expect(names(template, { ...template, created: 'never' })).toEqual([undefined, undefined]);
  for (const statusString of ['PENDING', '', undefined]) {
    expect(names(template, { ...template, statusString }), `${statusString}`).toEqual([undefined, '']);
    expect(names(template, { ...at(17), statusString }), `${statusString}`).toEqual(['welcome', '']);
  }
  const nameless = { ...template, eventDescription: undefined };
  expect(names(template, nameless)).toEqual([undefined, undefined]);
  expect(names(template, { ...nameless, statusString: 'PENDING' })).toEqual([undefined, '']);
  expect(names(template, { ...nameless, localMessageId: 'm2' })).toEqual(['welcome', undefined]);
  expect(names(template, { ...template, eventDescription: sentence('welcome_2') })).toEqual(['welcome', 'welcome_2']);
  for (const words of [sentence(''), 'Broadcast message with using "', `x${sentence('welcome')}`, 'welcome', 7, null]) {
    expect(names({ ...template, eventDescription: words })).toEqual([undefined]);
  }
});

it('never throws, whatever the rows are', () => {
  const value = fc.oneof(fc.constantFrom('SENT', 'message', true, 'broadcastMessage', created), fc.jsonValue());
  const names = ['eventType', 'owner', 'type', 'statusString', 'created', 'id', 'localMessageId', 'eventDescription'];
  const row = fc.dictionary(fc.constantFrom(...names, 'failedCode', 'errors'), value, { maxKeys: 9 });
  fc.assert(
    fc.property(fc.array(row, { maxLength: 8 }), (rows) => {
      expect(eventsOf(...rows).length).toBeLessThanOrEqual(rows.length);
    }),
    { numRuns: 300 },
  );
});
