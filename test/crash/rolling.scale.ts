import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { startSimulator } from '../../src/simulator/simulator.ts';
import { aBalancer } from './balancer.ts';
import { aDatabase } from './database.ts';
import { judge } from './oracle.ts';
import { aCaller } from './sends.ts';
import { aPlace, freePort } from './service.ts';

const perSecond = 200;
/** `REPLACEMENTS=10` is the full number. */
const replacements = Number(process.env.REPLACEMENTS ?? 2);
const settings = { DRAIN_DELAY_MS: '5000', SHUTDOWN_TIMEOUT_MS: '25000' };

test(`${replacements} rolling replacements at ${perSecond} requests a second: none fails, none is doubled`, async () => {
  const simulator = await startSimulator({ perSecond: Number.POSITIVE_INFINITY });
  const database = await aDatabase();
  const place = aPlace(simulator, database.url);
  const caller = aCaller(simulator);
  const ports = [await freePort(), await freePort()];
  const replicas = new Map(
    await Promise.all(ports.map(async (port) => [port, await place.start({ settings, port })] as const)),
  );
  const balancer = await aBalancer(place.folder, ports);
  try {
    let stop = false;
    const running = (async () => {
      const said: Promise<unknown>[] = [];
      const begun = performance.now();
      // Requests do not wait for earlier answers.
      while (!stop) {
        const due = ((performance.now() - begun) / 1_000) * perSecond;
        while (said.length < due) said.push(caller.say(balancer.url, caller.wish()));
        await sleep(5);
      }
      await Promise.all(said);
    })();

    await sleep(1_000);
    const codes: (number | null)[] = [];
    for (let n = 0; n < replacements; n += 1) {
      const port = ports[n % ports.length] ?? 0;
      const old = replicas.get(port);
      const ups = balancer.timesUp(port);
      process.kill(old?.pid() ?? 0, 'SIGTERM');
      codes.push((await old?.ended) ?? null);
      replicas.set(port, await place.start({ settings, port }));
      // Like an orchestrator, replaces the next replica only when this one is in service.
      while (balancer.timesUp(port) === ups) await sleep(50);
    }
    await sleep(1_000);
    stop = true;
    await running;
    await caller.settle(balancer.url);

    const { faults, counts } = judge(caller.wishes, await caller.records(balancer.url), simulator);
    const failed = caller.wishes.filter(({ told }) => told.some(({ status = 599 }) => status === 429 || status >= 500));
    console.log(`${replacements} replacements: ${JSON.stringify(counts)}, ${failed.length} failed`);
    if (failed.length > 0)
      console.log(
        balancer
          .log()
          .match(/^.* (is (UP|DOWN)| 5\d\d) .*$/gm)
          ?.join('\n'),
      );
    expect(failed.map(({ told }) => told).slice(0, 5)).toEqual([]);
    expect(faults).toEqual([]);
    expect(counts).toMatchObject({ lost: 0, unknown: 0, refused: 0 });
    expect(codes).toEqual(codes.map(() => 0));
    expect(simulator.violations).toEqual([]);
    // The log of haproxy contains no number of a customer.
    expect(caller.wishes.filter(({ to }) => balancer.log().includes(to))).toEqual([]);
  } finally {
    await balancer.close();
    await caller.close();
    await place.close();
    await database.drop();
    await simulator.close();
  }
});
