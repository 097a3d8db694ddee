import type { Link } from '../src/upstream/pages.ts';

/**
 * What a list of the upstream's things says of its page. Where the upstream puts fewer entries on a page than were asked for,
 * `size` is theirs: with the caller's own, the next page would begin behind a gap.
 */
export function toPage({ total, pageSize, hasNext }: Link, number: number, size: number) {
  const goesOn = hasNext === true || (total !== undefined && pageSize !== undefined && total > number * pageSize);
  const own = goesOn && pageSize !== undefined ? Math.min(size, pageSize) : size;
  return { number, size: own, ...(total !== undefined && { total }) };
}
