import type { Link } from '../src/upstream/pages.ts';

/**
 * The paging information of a list of upstream resources. If the upstream returns fewer entries per page than requested, `size`
 * is its own number: with the requested one, the next page would leave a gap.
 */
export function toPage({ total, pageSize, hasNext }: Link, number: number, size: number) {
  const goesOn = hasNext === true || (total !== undefined && pageSize !== undefined && total > number * pageSize);
  const own = goesOn && pageSize !== undefined ? Math.min(size, pageSize) : size;
  return { number, size: own, ...(total !== undefined && { total }) };
}
