import { one, type Query } from './call.ts';

export interface Page<T> {
  readonly items: readonly T[];
  readonly link: Readonly<Record<string, unknown>>;
}

/** GUESS: no source gives v1's own default. */
const sizeDefault = 50;

/** The `link` object as the template list has it. A page beyond the end is empty, page 0 is the first. */
export function pageOf<T>(all: readonly T[], query: Query, { base, path }: { base: 0 | 1; path: string }): Page<T> {
  const size = Number(one(query, 'pageSize') ?? sizeDefault);
  const number = Math.max(base, Number(one(query, 'pageNumber') ?? base));
  const start = (number - base) * size;
  const address = (page: number) => `https://live-mt-server.wati.io${path}?pageSize=${size}&pageNumber=${page}`;
  return {
    items: all.slice(start, start + size),
    link: {
      prevPage: number > base ? address(number - 1) : null,
      nextPage: start + size < all.length ? address(number + 1) : null,
      pageNumber: number,
      pageSize: size,
      total: all.length,
    },
  };
}
