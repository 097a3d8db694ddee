import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { Agent, request } from 'undici';
import { expect, test } from 'vitest';
import { atRate, percentile } from '../../bench/open-load.ts';
import { delivered, startDoor, token } from '../intake/door.ts';

/*
 * slowhttptest on the public listener, with more connections than it takes, while honest webhooks come in: what is slow is
 * cut off, and no webhook is lost for it.
 */
const seconds = 20;
const modes = [
  { name: 'slow headers', path: '/wati/wrong', options: ['-H', '-i', '5'] },
  {
    name: 'slow bodies without a token',
    path: '/wati/wrong',
    options: ['-B', '-i', '5', '-s', '8192', '-f', 'application/json'],
  },
  { name: 'slow reads', path: `/wati/${token}`, options: ['-X', '-n', '5', '-z', '16', '-w', '10', '-y', '512'] },
];

test('webhooks are taken while 600 slow connections ask for places', { timeout: 120_000 }, async () => {
  const door = await startDoor();
  const agent = new Agent({ connections: 16, localAddress: '127.0.0.2' });
  const attacks = modes.map(({ path, options }) => {
    const load = ['-c', '200', '-r', '100', '-l', String(seconds), '-p', '3', '-u', `${door.url}${path}`];
    return spawn('slowhttptest', [...options, ...load], { stdio: 'ignore' });
  });
  const waits: number[] = [];
  const failed: string[] = [];
  await atRate(50, seconds, async (n) => {
    const begun = performance.now();
    const body = JSON.stringify(delivered(String(n)));
    try {
      const answer = await request(`${door.url}/wati/${token}`, { method: 'POST', body, dispatcher: agent });
      await answer.body.dump();
      if (answer.statusCode !== 200) failed.push(String(answer.statusCode));
    } catch (error) {
      failed.push(String(error));
    }
    waits.push(performance.now() - begun);
  });
  for (const child of attacks) {
    child.kill('SIGINT');
    if (child.exitCode === null) await once(child, 'exit');
  }
  console.log(
    `${waits.length} webhooks, p50 ${percentile(waits, 0.5).toFixed(0)} ms, p99 ${percentile(waits, 0.99).toFixed(0)} ms, ${failed.length} failed`,
  );
  expect(failed).toEqual([]);
  // The bodies without a token were refused before they came: the attack was there.
  expect(door.badTokens()).toBeGreaterThanOrEqual(200);
  expect(door.memory.rows.size).toBe(waits.length);
  await agent.destroy();
  await door.intake.close();
});
