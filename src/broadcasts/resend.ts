import { keptInResend } from '../delivery/new-message.ts';
import { contentOf, fingerprintOf } from '../delivery/send-content.ts';
import { Problem } from '../problem.ts';
import type { BroadcastStore } from '../store/broadcast-store.ts';
import type { Schedule, StoredMessage } from '../store/message-store.ts';
import type { ScheduleStore } from '../store/schedule-store.ts';
import { throwStoreUnreadable } from '../store/store-problems.ts';
import type { BroadcastRecipient, BroadcastRequester, BroadcastResend, Broadcasts, Started } from './types.ts';

interface ResendServices {
  store: Pick<BroadcastStore, 'listResendable'> & Pick<ScheduleStore, 'wallNow'>;
  start: Broadcasts['start'];
}

/** Originals per page: they are read and recorded together. */
const pageRows = 200;

/** Fingerprint of a resend request, to recognize a repeat under its key. Without a `notAfter` it is that of earlier versions. */
export const resendFingerprint = (
  { original, statuses }: Pick<BroadcastResend, 'original' | 'statuses'>,
  { notAfter }: Schedule,
): string =>
  fingerprintOf(original.connectionId, [
    'resend',
    original.id,
    [...new Set(statuses)].sort(),
    ...(notAfter === undefined ? [] : [{ notAfter }]),
  ]);

/** Creates a broadcast of those recipients of another that are in one of these states and were not resent before. */
export async function resendBroadcast(
  { store, start }: ResendServices,
  requester: BroadcastRequester,
  { original, statuses, check }: BroadcastResend,
): Promise<Started> {
  const wanted = [...new Set(statuses)];
  const asking = { ...requester, ...keptInResend(original, requester, store.wallNow()) };
  const pages = pagesOf(store, original.id, wanted);
  // Read before anything is recorded, because only the content of its messages contains the channel of the original.
  const first = (await pages.next()).value;
  if (!first) throw nothingToResend();
  const { template, name: broadcastName, connectionId: connection, channel, perMinute, id: resendOf } = original;
  const asked = contentOf(first[0])?.body.channel;
  const draft = { template, broadcastName, connection, channel, asked, perMinute, resendOf };
  return start(asking, draft, async (add) => {
    for (let page: StoredMessage[] | undefined = first; page; page = (await pages.next()).value) {
      const recipients = page.flatMap(toRecipient);
      await check(recipients);
      await add(recipients);
    }
    const chosen = wanted.reduce((sum, status) => sum + original.counts[status], 0);
    return { fingerprint: resendFingerprint({ original, statuses }, requester), chosen };
  });
}

/** Yields the pages that are not empty. */
async function* pagesOf(
  store: ResendServices['store'],
  id: string,
  statuses: BroadcastResend['statuses'],
): AsyncGenerator<[StoredMessage, ...StoredMessage[]], undefined> {
  for (const status of statuses) {
    for (let after: number | undefined = 0; after !== undefined; ) {
      const page: Awaited<ReturnType<typeof store.listResendable>> = await store
        .listResendable(id, status, { after, limit: pageRows })
        .catch(throwStoreUnreadable);
      const [first, ...others] = page.messages;
      if (first) yield [first, ...others];
      after = page.next;
    }
  }
}

function toRecipient(message: StoredMessage): BroadcastRecipient[] {
  const content = contentOf(message);
  if (content?.kind !== 'template') return [];
  const { to, parameters } = content.body;
  const { id: resendOf, reference } = message;
  return [{ to, resendOf, ...(parameters && { parameters }), ...(reference !== undefined && { reference }) }];
}

export const nothingToResend = (): Problem =>
  new Problem(
    'message-not-resendable',
    'none of its recipients in these states can be sent to again: there are none, they were sent again before, or their content is not kept any more',
  );
