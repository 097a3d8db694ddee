import { setImmediate } from 'node:timers/promises';
import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { collectAllGarbage } from '../../lib/collect-garbage.ts';
import type { Row } from '../sql/engine.ts';
import { type Bound, type FileSchema, LocalConnection } from './connection.ts';
import { migrate, openFile } from './open-file.ts';
import {
  type Answer,
  type Call,
  type Greeting,
  type NumberedStep,
  type Request,
  toFailure,
} from './thread-messages.ts';

/** The thread of a file, with the only connection to it. It reads at once, and writes with the next commit. */

function serve(port: MessagePort, connection: LocalConnection): void {
  const statements: string[] = [];
  let answers: Answer[] = [];

  const bound = ({ n, sql, values }: NumberedStep): Bound => {
    if (sql !== undefined) statements[n] = sql;
    return { sql: statements[n] ?? '', values };
  };

  const perform = async (call: Call): Promise<Row[][]> => {
    switch (call.kind) {
      case 'write':
        return connection.write(call.steps.map(bound));
      case 'read':
        return [await connection.read(bound(call.step))];
      case 'list':
        return [await connection.list(call.step)];
      case 'checkpoint':
        await connection.checkpoint();
        return [];
      case 'scrub':
        await connection.scrub(call.isAlone);
        return [];
      case 'close':
        await connection.close();
        await setImmediate(); // the thread ends with this answer, so it must be the last one
        return [];
    }
  };

  /** Answers of one commit are sent together: all of them are settled before this microtask runs. */
  const answer = (one: Answer): void => {
    answers.push(one);
    if (answers.length > 1) return;
    queueMicrotask(() => {
      port.postMessage(answers);
      answers = [];
    });
  };

  port.on('messageerror', (error) => {
    throw error; // the requests in the message are lost, so the thread must not go on
  });
  port.on('message', (requests: readonly Request[]) => {
    for (const { id, call } of requests)
      perform(call).then(
        (rows) => answer({ id, rows }),
        (error: unknown) => answer({ id, failure: toFailure(error) }),
      );
  });
}

function open(port: MessagePort): void {
  const { path, migrations, noopWrite }: FileSchema & { path: string } = workerData;
  let greeting: Greeting;
  try {
    const db = openFile(path, (opened) => migrate(opened, migrations));
    serve(port, new LocalConnection(db, noopWrite));
    greeting = { isOpen: true };
  } catch (error) {
    greeting = { failure: toFailure(error) };
  }
  port.postMessage(greeting);
  collectAllGarbage();
}

if (parentPort) open(parentPort);
