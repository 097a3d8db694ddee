import { connect } from 'node:net';

export interface Answer {
  status: number;
  id: string | undefined;
  headers: string;
}

/** Whatever comes back until the connection ends, or as much as was asked for. */
export function say(url: string, bytes: string, enough: number): Promise<{ answers: Answer[]; ended: boolean }> {
  return new Promise((resolve) => {
    const socket = connect(Number(new URL(url).port), '127.0.0.1');
    let text = '';
    const finish = (ended: boolean) => {
      clearTimeout(timer);
      socket.destroy();
      resolve({ answers: answersIn(text), ended });
    };
    const timer = setTimeout(finish, 10_000, false);
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
      if (answersIn(text).length >= enough) finish(false);
    });
    // A reset may follow the answer to what was not read.
    socket.on('error', () => {});
    socket.on('close', () => finish(true));
    socket.write(bytes, 'latin1');
  });
}

function answersIn(text: string): Answer[] {
  const answers: Answer[] = [];
  for (let rest = text; ; ) {
    const end = rest.indexOf('\r\n\r\n');
    const headers = rest.slice(0, end);
    const length = Number(/^content-length: (\d+)$/im.exec(headers)?.[1] ?? 0);
    if (end === -1 || rest.length < end + 4 + length) return answers;
    const id = /^x-request-id: (\S+)$/im.exec(headers)?.[1];
    answers.push({ status: Number(headers.split(' ')[1]), id, headers });
    rest = rest.slice(end + 4 + length);
  }
}
