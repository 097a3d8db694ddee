import { setImmediate } from 'node:timers/promises';
import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import type { Row } from '../sql/engine.ts';
import { type Bound, LocalConnection } from './connection.ts';
import { migrate, openFile } from './open-file.ts';
import { type Call, type Greeting, noAnswers, type Requests, toFailure, type Writes } from './thread-messages.ts';

/** The thread of the store, with the only connection to the file. It reads at once, and writes with the next commit. */

function serve(port: MessagePort, connection: LocalConnection): void {
  const statements: string[] = [];
  let answers = noAnswers();
  let isSending = false;

  const textOf = (n: number | undefined): string => statements[n ?? -1] ?? '';

  const perform = async (call: Call): Promise<Row[][]> => {
    switch (call.kind) {
      case 'read':
        return [await connection.read({ sql: textOf(call.n), values: call.values })];
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
  const send = (): void => {
    if (isSending) return;
    isSending = true;
    queueMicrotask(() => {
      isSending = false;
      port.postMessage(answers);
      answers = noAnswers();
    });
  };

  const answer = (id: number, request: Promise<Row[][]>): void => {
    request.then(
      (rows) => {
        answers.ids.push(id);
        answers.rows.push(rows);
        send();
      },
      (error: unknown) => {
        answers.failures.push({ id, failure: toFailure(error) });
        send();
      },
    );
  };

  const write = ({ ids, lengths, statements: numbers, values }: Writes): void => {
    let first = 0;
    for (const [at, id] of ids.entries()) {
      const end = first + (lengths[at] ?? 0);
      const steps: Bound[] = [];
      for (; first < end; first++) steps.push({ sql: textOf(numbers[first]), values: values[first] ?? [] });
      answer(id, connection.write(steps));
    }
  };

  port.on('messageerror', (error) => {
    throw error; // the requests in the message are lost, so the thread must not go on
  });
  port.on('message', ({ texts, writes, calls }: Requests) => {
    statements.push(...texts);
    write(writes);
    for (const { id, call } of calls) answer(id, perform(call));
  });
}

function open(port: MessagePort): void {
  const { path, migrations }: { path: string; migrations: readonly (readonly string[])[] } = workerData;
  let greeting: Greeting;
  try {
    const connection = new LocalConnection(openFile(path, (db) => migrate(db, migrations)));
    serve(port, connection);
    greeting = { opened: connection.opened };
  } catch (error) {
    greeting = { failure: toFailure(error) };
  }
  port.postMessage(greeting);
}

if (parentPort) open(parentPort);
