import type { Store } from '../../src/store/open.ts';

/** A place where stores live: `open` again and again opens the same one. */
export interface StoreFixture {
  open(): Promise<Store>;
  /** Lets the ageing clock run on, without waiting. */
  advance(ms: number): Promise<void>;
  tearDown(): Promise<void>;
}
