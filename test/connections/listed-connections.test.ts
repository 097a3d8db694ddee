import { describe, expect, it } from 'vitest';
import { createListedConnections } from '../../src/connections/listed-connections.ts';
import { Problem } from '../../src/problem.ts';

const deadline = Number.MAX_SAFE_INTEGER;

/** A control API with a list that a test may change, and a clock that only the test moves. */
function withList(ids: readonly string[] | undefined) {
  const control = {
    ids,
    calls: 0,
    failure: undefined as Error | undefined,
    hold: undefined as Promise<void> | undefined,
  };
  let known: Set<string> | undefined;
  let now = 0;
  const listed = createListedConnections(
    {
      recent: async () => {
        control.calls += 1;
        await control.hold;
        if (control.failure) throw control.failure;
        known = new Set(control.ids);
        return [];
      },
      get known() {
        return known;
      },
    },
    { clock: () => now },
  );
  const answerTo = async (id: string) => (await listed.check(id, deadline)).is;
  return {
    control,
    listed,
    answerTo,
    pass: (ms: number) => {
      now += ms;
    },
  };
}

describe('the connections that Maton lists', () => {
  it('are read once for all names that are checked meanwhile, and not again for known ones', async () => {
    const { control, listed, answerTo } = withList(['c-1', 'c-2']);
    const names = ['c-1', 'c-2', ...Array.from({ length: 50 }, (_, at) => `evil-${at}`)];
    const answers = await Promise.all(names.map(answerTo));
    expect(answers).toEqual(['listed', 'listed', ...Array(50).fill('unlisted')]);
    expect(control.calls).toBe(1);
    expect([listed.knows('c-1'), listed.knows('evil-1')]).toEqual([true, false]);
    for (let at = 0; at < 20; at += 1) expect(await answerTo('c-2')).toBe('listed');
    expect(control.calls).toBe(1);
  });

  it('are read at most five times at once, and then once in two seconds, however many names are invented', async () => {
    const { control, answerTo, pass } = withList(['c-1']);
    for (let at = 0; at < 1_000; at += 1) {
      expect(await answerTo(`evil-${at}`)).toBe('unlisted');
      pass(10);
    }
    expect(control.calls).toBeGreaterThan(5);
    expect(control.calls).toBeLessThanOrEqual(5 + 10 / 2);
  });

  it('include one that was added since the last read', async () => {
    const { control, answerTo } = withList(['c-1']);
    expect(await answerTo('c-new')).toBe('unlisted');
    control.ids = ['c-1', 'c-new'];
    expect(await answerTo('c-new')).toBe('listed');
  });

  it('are unknown if the list cannot be read; the last list still counts, and it is reported whether there was one', async () => {
    const { control, listed, answerTo } = withList(['c-1']);
    control.failure = new Problem('upstream-unavailable', 'down');
    expect(await listed.check('c-2', deadline)).toEqual({ is: 'unavailable', missing: false, error: control.failure });
    control.failure = undefined;
    expect(await answerTo('c-1')).toBe('listed');
    control.failure = new Problem('upstream-unauthorized', 'refused');
    expect(await listed.check('c-2', deadline)).toEqual({ is: 'unavailable', missing: true, error: control.failure });
    expect(await answerTo('c-1')).toBe('listed');
  });

  it('delay no check beyond its request’s deadline, nor later ones', async () => {
    const { control, listed } = withList(['c-1']);
    const held = Promise.withResolvers<void>();
    control.hold = held.promise;
    expect(await listed.check('c-1', performance.now())).toEqual({ is: 'unavailable', missing: false });
    expect(control.calls).toBe(1);
    held.resolve();
    await expect.poll(() => listed.knows('c-1')).toBe(true);
  });
});
