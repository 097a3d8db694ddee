import { describe, expect, it } from 'vitest';
import { KeyFinder } from '../../src/keys/key-finder.ts';
import { BodyRejectedError } from '../../src/upstream/body-rejected-error.ts';
import { type BodyCollector, UntrustedBodyReader } from '../../src/upstream/untrusted-body.ts';
import { encodings } from '../keys/encodings.ts';

const origin = { operation: 'getContacts', holder: 'crm', bodyClass: 'list' } as const;
const readerOf = (options = {}) =>
  new UntrustedBodyReader(new KeyFinder(() => ['q7Xz41mPa9Lk20Vb']), () => {}, options);
const kib = (count: number) => Buffer.alloc(count * 1024, 'x');
const codeOf = (act: () => unknown) => {
  try {
    act();
    return 'taken';
  } catch (error) {
    return error instanceof BodyRejectedError ? error.code : error;
  }
};

describe('the bytes of an answer', () => {
  it('are limited by the kind of answer', async () => {
    const reader = readerOf();
    const refusal = reader.collect(400, origin);
    expect([refusal.add(kib(10)), refusal.add(kib(10))]).toEqual(['more', 'enough']);
    expect((await refusal.text({})).text).toHaveLength(16 * 1024);
    const list = reader.collect(200, origin);
    expect(codeOf(() => list.add(kib(4 * 1024)))).toBe('taken');
    expect(codeOf(() => list.add(kib(1)))).toBe('ANSWER_TOO_LONG');
    list.drop();
    const act = reader.collect(200, { ...origin, bodyClass: 'act' });
    expect(codeOf(() => act.add(kib(1025)))).toBe('ANSWER_TOO_LONG');
  });

  it('are limited together, shared between callers, and their capacity is released', () => {
    const reader = readerOf({ poolBytes: 8 * 1024 * 1024 });
    const taken: BodyCollector[] = [];
    const open = (holder: string) => {
      const gathering = reader.collect(200, { ...origin, holder });
      taken.push(gathering);
      return codeOf(() => gathering.add(kib(1024)));
    };
    const greedy = Array.from({ length: 8 }, () => open('crm'));
    expect(greedy.filter((said) => said === 'taken').length).toBeLessThanOrEqual(3);
    expect(open('billing')).toBe('taken');
    const small = reader.collect(200, { ...origin, holder: 'crm' });
    expect(codeOf(() => small.add(kib(16)))).toBe('taken');
    // A send has room of its own.
    const act = reader.collect(200, { ...origin, bodyClass: 'act' });
    expect(codeOf(() => act.add(kib(900)))).toBe('taken');
    expect(reader.pools.map(({ name }) => name)).toEqual(['answers', 'send-answers']);
    for (const gathering of taken) gathering.drop();
    expect(reader.pools[0]?.used).toBe(0);
    expect(open('crm')).toBe('taken');
  });

  it('of eight large batches are taken at the same time, beside answers to others', () => {
    const reader = readerOf();
    const open = (holder: string, size: number) =>
      codeOf(() => reader.collect(200, { ...origin, holder, bodyClass: 'act' }).add(kib(size)));
    expect(open('crm', 900)).toBe('taken');
    expect(Array.from({ length: 8 }, () => open('wati-bff', 500))).toEqual(Array(8).fill('taken'));
  });

  it('lose a byte order mark', async () => {
    const gathering = readerOf().collect(200, origin);
    gathering.add(Buffer.from('\uFEFF{"a":1}'));
    expect(await gathering.text({})).toEqual({ text: '{"a":1}', headers: {} });
  });

  it('become text one large answer at a time, with turns of the event loop in between', async () => {
    const reader = readerOf();
    const order: string[] = [];
    const texts = ['a', 'b', 'c'].map(async (name) => {
      const gathering = reader.collect(200, origin);
      gathering.add(kib(256));
      await gathering.text({});
      order.push(name);
      setImmediate(() => order.push(`after ${name}`));
    });
    await Promise.all(texts);
    await new Promise((resume) => setImmediate(resume));
    expect(order).toEqual(['a', 'after a', 'b', 'after b', 'c', 'after c']);
    expect(reader.pools[0]?.used).toBe(0);
  });

  it('leave the event loop free after a large list for as long as it took, within a limit', async () => {
    let now = 0;
    const pauses: number[] = [];
    const pause = async (ms: number) => void pauses.push(ms);
    const reader = readerOf({ clock: () => now, pause });
    const read = async (bodyClass: 'list' | 'act', tookMs: number) => {
      const gathering = reader.collect(200, { ...origin, bodyClass });
      gathering.add(kib(256));
      await gathering.text({});
      now += tookMs;
    };
    await read('list', 80);
    await read('act', 90);
    await read('list', 3_600_000);
    await read('list', 0);
    expect(pauses).toEqual([80, 500]);
  });

  it('are not requested while one caller’s earlier answers use half of its share', () => {
    const reader = readerOf({ poolBytes: 8 * 1024 * 1024 });
    const taken = [1, 2].map(() => {
      expect(reader.hasCapacityFor(origin)).toBe(true);
      const gathering = reader.collect(200, origin);
      gathering.add(kib(1024));
      return gathering;
    });
    expect(reader.hasCapacityFor(origin)).toBe(false);
    expect(reader.hasCapacityFor({ ...origin, bodyClass: 'act' })).toBe(true);
    expect(reader.hasCapacityFor({ ...origin, holder: 'billing' })).toBe(true);
    taken[0]?.drop();
    expect(reader.hasCapacityFor(origin)).toBe(true);
  });
});

const shared = readerOf();

describe.each(Object.entries(encodings))('a key %s', (_name, encode) => {
  const echo = encode('q7Xz41mPa9Lk20Vb');
  const rest = { 'content-type': 'application/json', date: 'Mon, 30 Nov 2026 10:00:00 GMT' };

  it.each([
    ['alone', { 'x-echo': echo }],
    ['behind an escape that breaks off', { 'x-a': '%', 'x-b': '\\', 'x-c': '&#', 'x-echo': echo }],
    ['in one of several values', { 'set-cookie': ['a=1', echo, 'b=2'] }],
  ])('takes its header away and leaves the others: %s', (_where, headers) => {
    const clean = shared.withoutKeys({ ...rest, ...headers, server: 'wati' }, 'sendText');
    const others = Object.entries(headers).filter(([, value]) => !value.includes(echo));
    expect(clean).toEqual({ headers: { ...rest, ...Object.fromEntries(others), server: 'wati' }, containedKey: true });
  });

  it('is in no text, whatever bytes are around it', () => {
    for (const [before, behind] of [
      [[0xef, 0xbb, 0xbf], []],
      [[0xff, 0xe2, 0x82], [0xc3]],
      [[0], [0]],
    ]) {
      const body = shared.collect(200, origin);
      body.add(Buffer.concat([Buffer.from(before ?? []), Buffer.from(echo), Buffer.from(behind ?? [])]));
      expect(body.text({})).toMatchObject({ containedKey: true, text: expect.not.stringContaining(echo) });
    }
  });
});

it('leaves headers unchanged that make a key only when joined', () => {
  const headers = { 'x-a': 'q7Xz41mPa9', 'x-b': 'Lk20Vb', 'x-c': '%5', 'x-d': '1' };
  expect(shared.withoutKeys(headers, 'sendText')).toEqual({ headers, containedKey: false });
});
