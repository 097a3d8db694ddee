import { createServer } from 'node:http';
import { onTestFinished } from 'vitest';
import { isRecord, type Json } from '../support/json.ts';

/** Where the simulated WATI posts to: keeps what came in the order in which it was answered. */
export async function openReceiver(answer: (body: Json) => number | Promise<number> = () => 200) {
  const bodies: Json[] = [];
  const paths: string[] = [];
  const server = createServer(async (request, response) => {
    let text = '';
    for await (const chunk of request) text += String(chunk);
    const body: unknown = JSON.parse(text);
    if (!isRecord(body)) throw new Error('a webhook is no object');
    const status = await answer(body);
    bodies.push(body);
    paths.push(`${request.method} ${request.url}`);
    response.writeHead(status, status === 302 ? { location: '/elsewhere' } : {}).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const stop = async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
  onTestFinished(stop);
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the receiver listens on no port');
  return {
    url: `http://127.0.0.1:${address.port}/wati/token`,
    bodies,
    paths,
    names: () => bodies.map(({ eventType }) => String(eventType)),
    stop,
  };
}
