import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { linkIn, pagesOf } from '../../src/upstream/pages.ts';

interface Tenant {
  entries: number;
  /** At most so many on a page, whatever is asked. */
  cap: number;
  base: 0 | 1;
  /** What its answers say beside the entries. */
  says: 'all' | 'total' | 'total as text' | 'next' | 'size' | 'nothing';
  /** A page beyond the end is the last one again. */
  repeats: boolean;
}

function listIn(tenant: Tenant) {
  const { entries, cap, base, says, repeats } = tenant;
  const asked: number[] = [];
  const read = async ({ pageNumber, pageSize }: { pageNumber: number; pageSize: number }) => {
    asked.push(pageNumber);
    const size = Math.min(cap, pageSize);
    const last = Math.max(0, Math.ceil(entries / size) - 1);
    const wanted = Math.max(0, pageNumber - base);
    const at = repeats ? Math.min(wanted, last) : wanted;
    const items = Array.from({ length: entries }, (_, each) => each).slice(at * size, (at + 1) * size);
    const link = {
      ...(['all', 'total'].includes(says) && { total: entries }),
      ...(says === 'total as text' && { total: String(entries) }),
      ...(['all', 'next'].includes(says) && {
        nextPage: at < last ? `https://wati.example/?pageNumber=${pageNumber + 1}` : null,
        prevPage: at > 0 ? `https://wati.example/?pageNumber=${pageNumber - 1}` : null,
      }),
      ...(['all', 'size'].includes(says) && { pageSize: size }),
    };
    return { items, sent: items.length, link: linkIn({ link }) };
  };
  return { read, asked };
}

describe('a list that is read to its end', () => {
  const tenant = fc.record<Tenant>({
    entries: fc.nat({ max: 60 }),
    cap: fc.constantFrom(5, 10, 100),
    base: fc.constantFrom(0, 1),
    says: fc.constantFrom('all', 'total', 'total as text', 'next', 'size', 'nothing'),
    repeats: fc.boolean(),
  });

  it('has every entry once, wherever WATI counts from, and however few it puts on a page', async () => {
    await fc.assert(
      fc.asyncProperty(tenant, async (tenant) => {
        // From 0, or in short pages without a word of it, WATI leaves nothing to go by.
        fc.pre(tenant.base === 1 || ['all', 'next'].includes(tenant.says));
        fc.pre(tenant.cap >= 10 || tenant.says !== 'nothing');
        const { read, asked } = listIn(tenant);
        const found = new Set<number>();
        const pages = pagesOf(read, { pageSize: 10, pagesMax: 30, keyOf: String });
        for await (const page of pages) for (const entry of page) found.add(entry);
        expect(found.size).toBe(tenant.entries);
        const needed = Math.ceil(tenant.entries / Math.min(10, tenant.cap));
        expect(asked.length).toBeLessThanOrEqual(needed + 2);
      }),
    );
  });

  it('ends at a page without new entries, and after a limit of pages', async () => {
    const asked: number[] = [];
    const link = linkIn({ link: { total: 1_000_000, nextPage: 'https://wati.example/' } });
    const same = async ({ pageNumber }: { pageNumber: number }) => {
      asked.push(pageNumber);
      return { items: ['a'], sent: 1, link };
    };
    for await (const _ of pagesOf(same, { pageSize: 10, pagesMax: 30, keyOf: (item) => item }));
    expect(asked).toEqual([1, 2]);
    const fresh = async ({ pageNumber }: { pageNumber: number }) => ({ items: [`${pageNumber}`], sent: 1, link });
    let pages = 0;
    for await (const _ of pagesOf(fresh, { pageSize: 10, pagesMax: 5, keyOf: (item) => item })) pages += 1;
    expect(pages).toBe(5);
  });

  it.each<[link: object, total: number | undefined]>([
    [{}, undefined],
    [{ total: 0 }, 0],
    [{ total: '12' }, 12],
    ...[-1, 1.5, '1e3', null, {}, Number.NaN].map((total) => [{ total }, undefined] as [object, undefined]),
  ])('takes %j for a total of %s', (link, total) => {
    expect(linkIn({ link }).total).toBe(total);
  });
});
