import { describe, expect, it } from 'vitest';
import { dedupeKey } from '../../src/tracking/dedupe-key.ts';

const keyOf = (member: unknown, connectionId = 'c') =>
  dedupeKey({ connectionId, member, body: JSON.stringify(member) ?? '' });

const status = {
  eventType: 'sentMessageREAD_v2',
  whatsappMessageId: 'w',
  localMessageId: 'l',
  id: 'i',
  failedCode: null,
  statusString: 'Read',
  timestamp: '1',
};

describe('the key of a delivery', () => {
  it('is a SHA-256, the same for the same', () => {
    expect(keyOf(status)).toMatch(/^[0-9a-f]{64}$/);
    expect(keyOf({ ...status })).toBe(keyOf(status));
  });

  it.each<[string, object]>([
    ['the case of the name', { eventType: 'SENTMESSAGEREAD_V2' }],
    ['a field that says nothing of the state', { timestamp: '2', text: 'x' }],
  ])('does not depend on %s', (_title, change) => expect(keyOf({ ...status, ...change })).toBe(keyOf(status)));

  it.each<[string, object]>([
    ['the twin, which alone has our id', { eventType: 'sentMessageREAD' }],
    ['another state', { eventType: 'sentMessageDELIVERED_v2' }],
    ['another wamid', { whatsappMessageId: 'w2' }],
    ['another id of ours', { localMessageId: 'l2' }],
    ['another id of WATI', { id: 'i2' }],
    ['another code', { failedCode: '131026' }],
    ['another status', { statusString: 'Delivered' }],
    ['an id in another place', { whatsappMessageId: 'l', localMessageId: 'w' }],
    ['an id that is missing', { localMessageId: undefined }],
  ])('is another for %s', (_title, change) => expect(keyOf({ ...status, ...change })).not.toBe(keyOf(status)));

  it('is another for another connection', () => {
    expect(keyOf(status, 'd')).not.toBe(keyOf(status));
  });

  it('uses the whole body if there is no id, or the event is no status', () => {
    const message = { eventType: 'message', id: 'i', owner: false, text: 'a' };
    expect(keyOf(message)).not.toBe(keyOf({ ...message, text: 'b' }));
    const nameless = { eventType: 'templateMessageSent', waId: '14155550100', timestamp: '1' };
    expect(keyOf(nameless)).not.toBe(keyOf({ ...nameless, timestamp: '2' }));
    expect(keyOf({ ...nameless, id: '' })).not.toBe(keyOf({ ...nameless, id: '', timestamp: '2' }));
    const named = { ...nameless, waId: '14155550101' };
    for (const none of ['0', 'null', '000000000000000000000000', 'string', 'no id', 'é', 'x'.repeat(257)]) {
      expect(keyOf({ ...nameless, id: none }), none).not.toBe(keyOf({ ...named, id: none }));
      expect(keyOf({ ...nameless, localMessageId: none }), none).not.toBe(keyOf({ ...named, localMessageId: none }));
    }
    for (const member of [null, 7, 'x', [], {}, [[]]]) expect(keyOf(member)).toMatch(/^[0-9a-f]{64}$/);
  });

  it('uses the ids by which a message is found, under whichever name they come', () => {
    const { localMessageId, whatsappMessageId, id: _id, ...rest } = status;
    const otherwise = { ...rest, local_message_id: localMessageId, whatsapp_message_id: whatsappMessageId, _id: 'i' };
    expect(keyOf(otherwise)).toBe(keyOf(status));
    for (const name of ['local_message_id', 'whatsapp_message_id', '_id']) {
      expect(keyOf({ ...otherwise, [name]: 'other' }), name).not.toBe(keyOf(otherwise));
    }
    const placeholders = { id: '0', localMessageId: '', whatsappMessageId: null };
    expect(keyOf({ ...otherwise, ...placeholders })).toBe(keyOf(status));
  });

  it('accepts ids of any type', () => {
    let deep: unknown = [];
    for (let depth = 0; depth < 100_000; depth++) deep = [deep];
    const member = { ...status, localMessageId: deep, id: { toString: 'x' } };
    expect(dedupeKey({ connectionId: 'c', member, body: '' })).toMatch(/^[0-9a-f]{64}$/);
  });
});
