import { Problem } from '../problem.ts';
import type { MessageStore, StoredMessage } from '../store/message-store.ts';
import { throwStoreUnreadable } from '../store/store-problems.ts';

const cancelled = {
  status: 'cancelled',
  failure: { code: 'cancelled', detail: 'its caller cancelled it' },
  outcome: null,
} as const;

/**
 * Cancels a queued or scheduled message. Returns a message unchanged if it is already cancelled. Throws `not-found` for a message
 * that is not the caller's, and `message-over` for one that is being sent or has ended.
 */
export async function cancelMessage(
  store: Pick<MessageStore, 'find' | 'complete'>,
  caller: string,
  id: string,
): Promise<StoredMessage> {
  const find = async () => {
    const stored = await store.find(caller, id).catch(throwStoreUnreadable);
    if (!stored) throw new Problem('not-found', 'you have no message with this id');
    return stored;
  };
  const known = await find();
  if (known.status === 'queued') await store.complete(id, cancelled).catch(throwStoreUnreadable);
  const stored = known.status === 'queued' ? await find() : known;
  if (stored.status === 'cancelled') return stored;
  const state = stored.status === 'sending' ? 'is being sent' : `is ${stored.status}`;
  throw new Problem('message-over', `the message ${state}; only what is queued can be cancelled`);
}
