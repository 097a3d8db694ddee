import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { toError } from '../../lib/to-error.ts';
import { StoreError } from '../errors.ts';
import type { Row } from '../sql/engine.ts';
import type { Bound, Connection, FileSchema } from './connection.ts';
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

/** Small, so that garbage is collected early: the thread keeps no objects. */
const YOUNG_GENERATION_MB = 4;

/** Under load, the event loop may accept requests for seconds before it runs `setImmediate` callbacks. */
const WAIT_MAX_MS = 50;

/** Opens the file in a thread of its own, so that commits never block the event loop of the service, however slow the disk is. */
export async function openInThread(path: string, schema: FileSchema): Promise<Connection> {
  const file = import.meta.url.endsWith('.ts') ? './thread.ts' : './thread.js';
  const worker = new Worker(new URL(file, import.meta.url), {
    name: 'store',
    workerData: { path, ...schema },
    // The thread writes no output. Without this option Node opens the streams of the process to pipe it.
    stdout: true,
    stderr: true,
    resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MB },
  });
  const [greeting]: Greeting[] = await once(worker, 'message').catch((cause: unknown) => {
    throw new StoreError(`cannot open the store ${path}: its thread has failed`, { cause });
  });
  if (greeting === undefined) throw new StoreError(`cannot open the store ${path}`);
  if ('isOpen' in greeting) return new ThreadedConnection(worker);
  await worker.terminate();
  throw toStoreError(greeting.failure);
}

/**
 * Sends all requests of one turn of the event loop as one message. Messages that arrive while the thread commits share its next
 * commit. The process stays alive while an answer is due. If the thread fails by itself, nothing is answered any more and the process
 * ends: the next start finds out whether the last writes were committed, as after any crash.
 */
class ThreadedConnection implements Connection {
  readonly #worker: Worker;
  readonly #numbers = new Map<string, number>();
  readonly #pending = new Map<number, Pending>();
  #failure: Error | undefined;
  #isClosed = false;
  #requests: Request[] = [];
  #firstCameMs = 0;
  #nextId = 0;

  constructor(worker: Worker) {
    this.#worker = worker;
    worker.unref();
    worker.on('message', (answers: readonly Answer[]) => {
      for (const answer of answers) this.#settle(answer);
      if (this.#pending.size === 0) worker.unref();
    });
    worker.on('error', (cause) => this.#fail(cause));
    // A message that cannot be read is lost, and with it the requests or answers in it.
    worker.on('messageerror', (cause) => this.#fail(cause));
    worker.on('exit', (code) => this.#fail(new Error(`it has ended with code ${code}`)));
  }

  write(steps: readonly Bound[]): Promise<Row[][]> {
    return this.#ask({ kind: 'write', steps: steps.map((step) => this.#numbered(step)) });
  }

  async read(step: Bound): Promise<Row[]> {
    const [rows = []] = await this.#ask({ kind: 'read', step: this.#numbered(step) });
    return rows;
  }

  /** Sends the text each time, because the number of different lists is unlimited. */
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
    await this.#ask({ kind: 'close' }).catch((error: unknown) => {
      if (this.#failure === undefined) throw error; // otherwise there is nothing left to close
    });
    this.#isClosed = true;
    this.#worker.ref();
    await this.#worker.terminate();
  }

  /**
   * Rejects the requests that wait for an answer: the service waits for them before it ends, and callers wait for outcomes that may be
   * known already. The error that is thrown here is uncaught, which ends the process.
   */
  #fail(cause: unknown): void {
    if (this.#isClosed || this.#failure !== undefined) return;
    const message = `the thread of the store has failed: ${toError(cause).message}`;
    this.#failure = new StoreError(message, { cause });
    const unanswered = [...this.#pending.values()];
    this.#pending.clear();
    for (const { reject } of unanswered) reject(new StoreError(message, { cause }));
    throw this.#failure;
  }

  #ask(call: Call): Promise<Row[][]> {
    const cause = this.#failure;
    if (cause) return Promise.reject(new StoreError(cause.message, { cause, notCommitted: true }));
    const id = this.#nextId++;
    const pending = Promise.withResolvers<Row[][]>();
    this.#pending.set(id, pending);
    if (this.#pending.size === 1) this.#worker.ref();
    this.#requests.push({ id, call });
    if (this.#requests.length === 1) {
      this.#firstCameMs = performance.now();
      setImmediate(() => this.#send());
    } else if (performance.now() - this.#firstCameMs > WAIT_MAX_MS) this.#send();
    return pending.promise;
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
