import { afterEach, beforeEach } from 'vitest';
import type { Store } from '../../src/store/open.ts';

/** A database for one test. Each `open` opens the same one. */
export interface StoreFixture {
  open(): Promise<Store>;
  /** Moves the clock by which records age. */
  advance(ms: number): Promise<void>;
  /** Moves the wall clock of the store, forward or back, for schedules. */
  setWall?(byMs: number): Promise<void>;
  tearDown(): Promise<void>;
}

/** Gives each test of the surrounding `describe` a fresh fixture and a store of it; closes every store that was opened. */
export function openForEachTest<Fixture extends StoreFixture>(
  createFixture: () => Promise<Fixture>,
  onOpen: (opened: { fixture: Fixture; store: Store }) => void,
): void {
  const stores: Store[] = [];
  let fixture: StoreFixture;
  beforeEach(async () => {
    const created = await createFixture();
    fixture = created;
    const open = async () => {
      const store = await created.open();
      stores.push(store);
      return store;
    };
    onOpen({ fixture: { ...created, open }, store: await open() });
  });
  afterEach(async () => {
    for (const store of stores.splice(0)) await store.close();
    await fixture.tearDown();
  });
}
