import type { BroadcastStatus, BroadcastStore, StoredBroadcast } from '../store/broadcast-store.ts';

/** The routes that start broadcasts; a key is unique within each. */
const routes = ['POST /v1/broadcasts', 'POST /v1/broadcasts/import', 'POST /v1/broadcasts/:id/resend'];

/** Returns the visible broadcasts that a caller started under this key. */
export async function listByKey(
  store: Pick<BroadcastStore, 'findBroadcastByKey' | 'findBroadcast'>,
  caller: string,
  key: string,
): Promise<StoredBroadcast[]> {
  const found = await Promise.all(routes.map((route) => store.findBroadcastByKey(caller, route, key)));
  // Read again by id, because a lookup by key also finds broadcasts that are recording and not shown.
  const seen = await Promise.all(found.map((each) => each && store.findBroadcast(caller, each.id)));
  return seen.filter((each) => each !== undefined);
}

/** Explains why the status cannot be changed. */
export const notChangeable = (status: BroadcastStatus): string =>
  status === 'recording'
    ? 'the broadcast is still recording, and nothing was sent; to stop it, end the request that sends its file'
    : `the broadcast is ${status}; it cannot be changed any more`;
