import { StoreError } from '../errors.ts';
import type { Row } from './engine.ts';
import { required } from './row-mapping.ts';

/**
 * SQLSTATEs of failures that a single row can cause for the whole statement: data, constraints, a deadlock, limits, a lock of another
 * transaction, a trigger, a damaged page. The statement was rolled back.
 */
const ofOneRow = /^(?:22|23|40|54|55P03|P0|XX)/;

interface Waiting<Item> {
  readonly item: Item;
  resolve(row: Row | undefined): void;
  reject(error: unknown): void;
}

export interface RowWriter<Item> {
  one(item: Item): Promise<Row[]>;
  all(items: readonly Item[]): Promise<Row[]>;
  /** Writes one row on another connection, because it may wait for a lock. */
  alone(item: Item): Promise<Row[]>;
}

/**
 * Writes a row for each request; requests that arrive during one write share the next. Resolves each request with its own row, or
 * undefined if the statement returned none. If one row makes a shared write fail, each row is written alone.
 */
export class RowBatch<Item extends { readonly id: string }> {
  readonly #writer: RowWriter<Item>;
  readonly #rowsMax: number;
  #waiting: Waiting<Item>[] = [];
  #isWriting = false;

  constructor(writer: RowWriter<Item>, rowsMax: number) {
    this.#writer = writer;
    this.#rowsMax = rowsMax;
  }

  add(item: Item): Promise<Row | undefined> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ item, resolve, reject });
      if (this.#isWriting) return;
      this.#isWriting = true;
      setImmediate(() => void this.#writeAll());
    });
  }

  async #writeAll(): Promise<void> {
    while (this.#waiting.length > 0) await this.#write(this.#next());
    this.#isWriting = false;
  }

  /** A statement can change a row only once, so a second request for the same row, and all after it, wait for the next batch. */
  #next(): Waiting<Item>[] {
    const ids = new Set<string>();
    const end = this.#waiting.findIndex(({ item: { id } }) => {
      if (ids.size === this.#rowsMax || ids.has(id)) return true;
      ids.add(id);
      return false;
    });
    return this.#waiting.splice(0, end === -1 ? this.#waiting.length : end);
  }

  async #write(batch: readonly Waiting<Item>[]): Promise<void> {
    const [first] = batch;
    try {
      const written = first && batch.length === 1 ? this.#writer.one(first.item) : this.#writer.all(batch.map(itemOf));
      const rows = new Map((await written).map((row) => [required(row, 'id'), row]));
      for (const { item, resolve } of batch) resolve(rows.get(item.id));
    } catch (error) {
      // Not awaited, so that the next batch can start.
      if (isOfOneRow(error)) for (const waiting of batch) void this.#writeAlone(waiting);
      else for (const { reject } of batch) reject(error);
    }
  }

  async #writeAlone({ item, resolve, reject }: Waiting<Item>): Promise<void> {
    await this.#writer.alone(item).then(([row]) => resolve(row), reject);
  }
}

const itemOf = <Item>({ item }: Waiting<Item>): Item => item;

/** Whether the other rows of the statement may be written if each is written alone. */
export function isOfOneRow(error: unknown): boolean {
  if (!(error instanceof StoreError && error.notCommitted)) return false;
  const { cause } = error;
  return cause instanceof Error && 'code' in cause && typeof cause.code === 'string' && ofOneRow.test(cause.code);
}
