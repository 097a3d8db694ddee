import { hash } from 'node:crypto';
import type { Finding } from '../lib/check-report.ts';
import { counted } from '../lib/counted.ts';
import { Problem } from '../problem.ts';
import { tokenInAddress } from './address.ts';
import { entriesIn } from './check-intake.ts';
import { missingEvents } from './wanted-events.ts';

/** A webhook as WATI's list has it. */
interface Listed {
  url: string;
  state: 'enabled' | 'disabled' | 'defective' | undefined;
  eventTypes: readonly string[];
  failures: number;
}

const place = 'Connectors > Webhooks in WATI';

/**
 * Reads the webhooks of this connection from WATI. Not being allowed to read the list is no fault, because some accounts do not
 * offer it.
 */
export async function checkSubscription(
  { INTAKE_TOKENS_FILE: path = '' }: { INTAKE_TOKENS_FILE?: string },
  connectionId: string,
  list: () => Promise<readonly Listed[]>,
): Promise<Finding> {
  const read = entriesIn(path);
  if ('fault' in read) return read;
  const own = read.entries.filter((entry) => entry.connectionId === connectionId);
  if (own.length === 0) {
    return { fine: `${connectionId} has no token: what becomes of its messages is not told by webhooks` };
  }
  try {
    return judge(connectionId, new Set(own.flatMap(({ tokenSha256 }) => tokenSha256)), await list());
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    const fine = `WATI does not list the webhooks of ${connectionId} here (${error.slug}): look at ${place} yourself`;
    return { fine };
  }
}

/**
 * Whether one of them has a token of this connection, is enabled, and posts all needed events. Compares the hashes of tokens,
 * so that the address of another system is not taken for ours. No address is shown.
 */
function judge(connectionId: string, hashes: ReadonlySet<string>, listed: readonly Listed[]): Finding {
  const ours = listed.filter(({ url }) => hashes.has(hash('sha256', tokenInAddress(url))));
  if (ours.length === 0) {
    const others =
      listed.length === 0 ? 'WATI has no webhook' : `WATI has ${counted(listed.length, 'webhook')}, and none`;
    return {
      fault: `${others} with a token of ${connectionId}: what becomes of its messages is not told`,
      remedy: `\`npm run intake-token -- ${connectionId}\` makes an address. Add it under ${place}, and enable it.`,
    };
  }
  const working = ours.filter(({ state }) => state === 'enabled' || state === undefined);
  if (working.length === 0) {
    const states = ours.map(({ state, failures }) =>
      failures > 0 ? `${state} (${failures} failures in a row)` : state,
    );
    return {
      fault: `the webhook of ${connectionId} is ${states.join(', ')}: WATI posts nothing`,
      remedy: `Mend what it failed of, then enable it under ${place} (docs/operations.md, "Defective, and back").`,
    };
  }
  const missing = missingEvents(working.flatMap(({ eventTypes }) => eventTypes));
  if (missing.length > 0) {
    return {
      fault: `the webhook of ${connectionId} lacks ${missing.join(', ')}`,
      remedy: `Tick these as well under ${place}. Without a \`_v2\` event there is no sure proof of which message it is about.`,
    };
  }
  const unsure = working.every(({ state }) => state === undefined) ? ', in a state whose word is not known' : '';
  return { fine: `WATI posts all that is needed of ${connectionId}${unsure}` };
}
