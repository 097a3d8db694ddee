import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { StoreError } from '../errors.ts';
import type { Row } from '../sql/engine.ts';
import type { Bound, Connection, Opened } from './connection.ts';
import { MIGRATIONS } from './file.ts';
import {
  type Answer,
  type Call,
  type Greeting,
  type NumberedStep,
  type Request,
  toStoreError,
} from './thread-messages.ts';

interface Pending {
  resolve(rows: Row[][]): void;
  reject(error: StoreError): void;
}

/** Small, because the thread keeps nothing: garbage is collected earlier. */
const YOUNG_GENERATION_MB = 4;

/** Under load, the event loop may accept requests for seconds before it runs `setImmediate` callbacks. */
const WAIT_MAX_MS = 50;

/** Opens the file in a thread of its own, so that no commit, however slow the disk is, holds the event loop of the service. */
export async function openInThread(path: string): Promise<Connection> {
  const file = import.meta.url.endsWith('.ts') ? './thread.ts' : './thread.js';
  const worker = new Worker(new URL(file, import.meta.url), {
    name: 'store',
    workerData: { path, migrations: MIGRATIONS },
    // It writes nothing. Otherwise Node pipes it to the streams of the process, and opens these for that.
    stdout: true,
    stderr: true,
    resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MB },
  });
  const [greeting]: Greeting[] = await once(worker, 'message').catch((cause: unknown) => {
    throw new StoreError(`cannot open the store ${path}: its thread has failed`, { cause });
  });
  if (greeting === undefined) throw new StoreError(`cannot open the store ${path}`);
  if ('opened' in greeting) return new ThreadedConnection(worker, greeting.opened);
  await worker.terminate();
  throw toStoreError(greeting.failure);
}

/**
 * Sends what is requested in a turn of the event loop as one message. While the thread commits, further messages wait for it, and
 * share its next commit. The process lives for as long as an answer is due. If the thread ends by a fault of its own, so does the
 * process: whether the last writes were committed is decided at the next start, as after any crash.
 */
class ThreadedConnection implements Connection {
  readonly opened: Opened;
  readonly #worker: Worker;
  readonly #numbers = new Map<string, number>();
  readonly #pending = new Map<number, Pending>();
  #requests: Request[] = [];
  #firstCameMs = 0;
  #nextId = 0;

  constructor(worker: Worker, opened: Opened) {
    this.#worker = worker;
    this.opened = opened;
    worker.unref();
    worker.on('message', (answers: readonly Answer[]) => {
      for (const answer of answers) this.#settle(answer);
      if (this.#pending.size === 0) worker.unref();
    });
    worker.on('error', (cause) => {
      throw new StoreError(`the thread of the store has failed: ${cause}`, { cause });
    });
  }

  write(steps: readonly Bound[]): Promise<Row[][]> {
    return this.#ask({ kind: 'write', steps: steps.map((step) => this.#numbered(step)) });
  }

  async read(step: Bound): Promise<Row[]> {
    const [rows = []] = await this.#ask({ kind: 'read', step: this.#numbered(step) });
    return rows;
  }

  /** Its text each time: there is no end of them to number. */
  async list(step: Bound): Promise<Row[]> {
    const [rows = []] = await this.#ask({ kind: 'list', step });
    return rows;
  }

  async checkpoint(): Promise<void> {
    await this.#ask({ kind: 'checkpoint' });
  }

  async scrub(isAlone: boolean): Promise<void> {
    await this.#ask({ kind: 'scrub', isAlone });
  }

  async close(): Promise<void> {
    await this.#ask({ kind: 'close' });
    this.#worker.ref();
    await this.#worker.terminate();
  }

  #ask(call: Call): Promise<Row[][]> {
    return new Promise((resolve, reject) => {
      const id = this.#nextId++;
      this.#pending.set(id, { resolve, reject });
      if (this.#pending.size === 1) this.#worker.ref();
      this.#requests.push({ id, call });
      if (this.#requests.length === 1) {
        this.#firstCameMs = performance.now();
        setImmediate(() => this.#send());
      } else if (performance.now() - this.#firstCameMs > WAIT_MAX_MS) this.#send();
    });
  }

  #send(): void {
    if (this.#requests.length === 0) return;
    this.#worker.postMessage(this.#requests);
    this.#requests = [];
  }

  #settle(answer: Answer): void {
    const pending = this.#pending.get(answer.id);
    this.#pending.delete(answer.id);
    if ('rows' in answer) pending?.resolve(answer.rows);
    else pending?.reject(toStoreError(answer.failure));
  }

  #numbered({ sql, values }: Bound): NumberedStep {
    const known = this.#numbers.get(sql);
    if (known !== undefined) return { n: known, values };
    const n = this.#numbers.size;
    this.#numbers.set(sql, n);
    return { n, sql, values };
  }
}
