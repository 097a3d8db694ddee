/**
 * A process for test/store/sqlite-crash.process.ts to kill. `work`: records sends endlessly, and prints a line after each durable write.
 * `refused`: records until one insert is refused, then kills itself at once. `thread-fails`, `thread-ends`: the thread of the store
 * fails or ends during an insert; then closes the store, as the service does.
 */
import { writeSync } from 'node:fs';
import type { Worker } from 'node:worker_threads';
import { StoreError } from '../../src/store/errors.ts';
import { openStore } from '../../src/store/open.ts';
import { newMessage, newStream, OPTIONS } from './samples.ts';

const [url = '', mode = 'work', name = 'x'] = process.argv.slice(2);
let thread: Worker | undefined;
process.once('worker', (worker) => {
  thread = worker;
});
const store = await openStore(url, { ...OPTIONS, sameThread: false });
const say = (line: string): number => writeSync(1, `${line}\n`);

async function work(lane: number): Promise<void> {
  for (let n = 0; ; n++) {
    const id = `${name}-${lane}-${n}`;
    await store.insert(n % 5 === 4 ? newStream(id) : newMessage(id));
    say(`queued ${id}`);
    await store.claim(id, 1);
    say(`sending ${id}`);
    await store.complete(id, { status: 'accepted', outcome: null });
    say(`accepted ${id}`);
  }
}

async function untilRefused(): Promise<void> {
  for (let n = 0; n < 1_000; n++) {
    const id = `${name}-${n}`;
    try {
      await store.insert(newMessage(id));
      say(`queued ${id}`);
    } catch {
      say(`refused ${id}`);
      process.kill(process.pid, 'SIGKILL');
    }
  }
}

const reportFailure = (what: string) => (error: unknown) =>
  say(`${what} ${error instanceof StoreError ? `notCommitted=${error.notCommitted}` : error}`);

async function loseThread(): Promise<void> {
  process.once('uncaughtException', async (fault) => {
    say(`fault ${fault.name}`);
    await store.insert(newMessage('after')).catch(reportFailure('after'));
    await store.close();
    say('closed');
    process.exit(3);
  });
  const during = store.insert(newMessage('during')).catch(reportFailure('during'));
  // The thread expects a list.
  if (mode === 'thread-fails') thread?.postMessage(0);
  else await thread?.terminate();
  await during;
}

say('open');
if (mode.startsWith('thread-')) await loseThread();
else if (mode === 'work') await Promise.all([work(0), work(1), work(2), work(3)]);
else await untilRefused();
