import { Agent, get } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { parentPort, workerData } from 'node:worker_threads';

/**
 * A caller of another route, in a thread of its own: the one that pushes gigabytes through would be late itself. Asks
 * again and again, 5 ms apart, until it has to stop; answers with the ms of each, sorted.
 */
const { port, path, authorization } = workerData as { port: number; path: string; authorization: string };
const agent = new Agent({ keepAlive: true, maxSockets: 1 });
const times: number[] = [];
let stopped = false;
parentPort?.once('message', () => {
  stopped = true;
});

const once = () =>
  new Promise<void>((resolve, reject) => {
    const started = performance.now();
    get({ host: '127.0.0.1', port, path, agent, headers: { authorization } }, (answer) => {
      answer.resume().on('end', () => {
        times.push(performance.now() - started);
        if (answer.statusCode === 200) resolve();
        else reject(new Error(`${path} answers ${answer.statusCode}`));
      });
    }).on('error', reject);
  });

while (!stopped) {
  await once();
  await sleep(5);
}
agent.destroy();
parentPort?.postMessage(times.sort((a, b) => a - b));
