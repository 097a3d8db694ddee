import { request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { parentPort, workerData } from 'node:worker_threads';

/** Asks for health again and again, in a thread of its own: the load's own delays are not the service's. */
const times: number[] = [];
let over = false;
parentPort?.once('message', () => {
  over = true;
});
while (!over) {
  const startedAt = performance.now();
  await new Promise<void>((resolve, reject) => {
    const asked = request(`${workerData}/health/live`, (answer) => {
      answer.resume().once('end', resolve);
      if (answer.statusCode !== 200) reject(new Error(`health is ${answer.statusCode}`));
    });
    asked.once('error', reject).end();
  });
  times.push(performance.now() - startedAt);
  await sleep(20);
}
parentPort?.postMessage(times);
