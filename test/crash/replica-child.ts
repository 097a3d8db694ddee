/** A replica in a process of its own for test/crash/many-facts.postgres.ts, which asks by messages: rows to record, then `stop`. */
import { openStore } from '../../src/store/open.ts';
import { OPTIONS } from '../store/samples.ts';
import { replicaOn } from '../tracking/replica.ts';

const store = await openStore(process.argv[2] ?? '', OPTIONS);
const beating = setInterval(() => void store.heartbeat().catch(() => {}), 3_000);
const replica = replicaOn(store);

process.on('message', async (asked: Parameters<typeof replica.record>[0] | 'stop') => {
  if (asked !== 'stop') {
    await replica.record(asked);
    process.send?.('recorded');
    return;
  }
  const movedBack = await replica.stop();
  clearInterval(beating);
  await store.close();
  process.send?.(movedBack, () => process.disconnect());
});
process.send?.('ready');
