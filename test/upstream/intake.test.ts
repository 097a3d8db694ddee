import { describe, expect, it } from 'vitest';
import { KeyFinder } from '../../src/keys/key-finder.ts';
import { AnswerRefused } from '../../src/upstream/answer-refused.ts';
import { type Gathering, Intake } from '../../src/upstream/intake.ts';

const origin = { operation: 'getContacts', holder: 'crm', answers: 'list' } as const;
const intakeOf = (options = {}) => new Intake(new KeyFinder(() => ['q7Xz41mPa9Lk20Vb']), () => {}, options);
const kib = (count: number) => Buffer.alloc(count * 1024, 'x');
const codeOf = (act: () => unknown) => {
  try {
    act();
    return 'taken';
  } catch (error) {
    return error instanceof AnswerRefused ? error.code : error;
  }
};

describe('the bytes of an answer', () => {
  it('are bounded by what it is', async () => {
    const intake = intakeOf();
    const refusal = intake.gather(400, origin);
    expect([refusal.add(kib(10)), refusal.add(kib(10))]).toEqual(['more', 'enough']);
    expect((await refusal.text({})).text).toHaveLength(16 * 1024);
    const list = intake.gather(200, origin);
    expect(codeOf(() => list.add(kib(4 * 1024)))).toBe('taken');
    expect(codeOf(() => list.add(kib(1)))).toBe('ANSWER_TOO_LONG');
    list.drop();
    const act = intake.gather(200, { ...origin, answers: 'act' });
    expect(codeOf(() => act.add(kib(1025)))).toBe('ANSWER_TOO_LONG');
  });

  it('are bounded together, shared between callers, and room comes back', () => {
    const intake = intakeOf({ poolBytes: 8 * 1024 * 1024 });
    const taken: Gathering[] = [];
    const open = (holder: string) => {
      const gathering = intake.gather(200, { ...origin, holder });
      taken.push(gathering);
      return codeOf(() => gathering.add(kib(1024)));
    };
    const greedy = Array.from({ length: 8 }, () => open('crm'));
    expect(greedy.filter((said) => said === 'taken').length).toBeLessThanOrEqual(3);
    expect(open('billing')).toBe('taken');
    const small = intake.gather(200, { ...origin, holder: 'crm' });
    expect(codeOf(() => small.add(kib(16)))).toBe('taken');
    // A send has room of its own.
    const act = intake.gather(200, { ...origin, answers: 'act' });
    expect(codeOf(() => act.add(kib(900)))).toBe('taken');
    expect(intake.pools.map(({ name }) => name)).toEqual(['answers', 'send-answers']);
    for (const gathering of taken) gathering.drop();
    expect(intake.pools[0]?.used).toBe(0);
    expect(open('crm')).toBe('taken');
  });

  it('lose a byte order mark', async () => {
    const gathering = intakeOf().gather(200, origin);
    gathering.add(Buffer.from('\uFEFF{"a":1}'));
    expect(await gathering.text({})).toEqual({ text: '{"a":1}', headers: {} });
  });

  it('become text one large answer at a time, with turns of the event loop in between', async () => {
    const intake = intakeOf();
    const order: string[] = [];
    const texts = ['a', 'b', 'c'].map(async (name) => {
      const gathering = intake.gather(200, origin);
      gathering.add(kib(256));
      await gathering.text({});
      order.push(name);
      setImmediate(() => order.push(`after ${name}`));
    });
    await Promise.all(texts);
    await new Promise((resume) => setImmediate(resume));
    expect(order).toEqual(['a', 'after a', 'b', 'after b', 'c', 'after c']);
    expect(intake.pools[0]?.used).toBe(0);
  });

  it('leave the event loop to others after a large list for as long as it took, and never for long', async () => {
    let now = 0;
    const pauses: number[] = [];
    const pause = async (ms: number) => void pauses.push(ms);
    const intake = intakeOf({ clock: () => now, pause });
    const read = async (answers: 'list' | 'act', tookMs: number) => {
      const gathering = intake.gather(200, { ...origin, answers });
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

  it('are not asked for while what one caller asked before takes half of what it may have', () => {
    const intake = intakeOf({ poolBytes: 8 * 1024 * 1024 });
    const taken = [1, 2].map(() => {
      expect(intake.hasRoomFor(origin)).toBe(true);
      const gathering = intake.gather(200, origin);
      gathering.add(kib(1024));
      return gathering;
    });
    expect(intake.hasRoomFor(origin)).toBe(false);
    expect(intake.hasRoomFor({ ...origin, answers: 'act' })).toBe(true);
    expect(intake.hasRoomFor({ ...origin, holder: 'billing' })).toBe(true);
    taken[0]?.drop();
    expect(intake.hasRoomFor(origin)).toBe(true);
  });
});
