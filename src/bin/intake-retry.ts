import { parseArgs } from 'node:util';
import { counted } from '../lib/counted.ts';
import { runStoreCommand, withStore } from './store-command.ts';

const usage = `npm run intake-retry
(in the image: intake-retry)

Tries again what could not be applied of WATI's webhooks and was set aside with its body: after an update that mends the
cause. It works on the store of STORE_URL (or STORE_URL_FILE); the service applies the events when it runs, in seconds.

A service that runs on a SQLite file has it for itself: stop it, run this, and start it again.
Exit codes: 0 done, or nothing was set aside, 1 it could not be done, 2 not understood.`;

async function run(): Promise<number> {
  const { values } = parseArgs({ options: { help: { type: 'boolean', short: 'h', default: false } } });
  if (values.help) {
    console.log(usage);
    return 0;
  }
  const count = await withStore((store) => store.retryFailedIntake());
  const events = counted(count, 'event is', 'events are');
  console.log(count === 0 ? 'Nothing is set aside.' : `${events} tried again.`);
  return 0;
}

await runStoreCommand({ usage, busyRemedy: 'stop it, run this, and start it again', run });
