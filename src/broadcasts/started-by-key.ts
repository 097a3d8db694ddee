import type { BroadcastStore, StoredBroadcast } from '../store/broadcast-store.ts';

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
