import { once } from 'node:events';
import { createConnection, createServer, type Socket } from 'node:net';

/** A proxy between a store and its PostgreSQL that breaks the connection where a test says so. */
export interface Line {
  url: string;
  /** Cuts what is open on the store's side alone: the database goes on with what it was asked. */
  cut(): void;
  /** The next question that holds this text gets through, and its answer is lost with the connection. */
  loseAnswerTo(text: string): void;
  /** Says one thing for another of the same length, in what the database answers. */
  translate(from: string, to: string): void;
  close(): void;
}

export async function aLine(database: string): Promise<Line> {
  const url = new URL(database);
  const port = Number(url.port);
  const near = new Set<Socket>();
  let losing: string | undefined;
  let translated: [from: string, to: string] | undefined;
  const line = createServer((socket) => {
    const far = createConnection(port, '127.0.0.1');
    let lost = false;
    near.add(socket);
    socket.on('error', () => undefined);
    far.on('error', () => undefined);
    socket.on('data', (asked) => {
      if (losing !== undefined && asked.includes(losing)) {
        lost = true;
        losing = undefined;
      }
      far.write(asked);
    });
    far.on('data', (answer) => {
      if (lost) socket.resetAndDestroy();
      if (socket.destroyed) return;
      if (translated) socket.write(Buffer.from(answer.toString('latin1').replaceAll(...translated), 'latin1'));
      else socket.write(answer);
    });
    socket.on('end', () => far.end());
    socket.on('close', () => near.delete(socket));
    far.on('close', () => socket.destroy());
  });
  line.listen(0, '127.0.0.1');
  await once(line, 'listening');
  const address = line.address();
  url.port = String(typeof address === 'object' ? address?.port : '');
  return {
    url: url.href,
    cut: () => {
      for (const socket of near) socket.resetAndDestroy();
    },
    loseAnswerTo: (text) => {
      losing = text;
    },
    translate: (from, to) => {
      translated = [from, to];
    },
    close: () => {
      line.close();
    },
  };
}
