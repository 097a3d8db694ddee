import { setTimeout as sleep } from 'node:timers/promises';
import type { Simulator } from '../../src/simulator/simulator.ts';
import type { StoredMessage } from './oracle.ts';

/** Waits until all that was posted is answered. */
export async function everyWebhook({ webhooks }: Simulator): Promise<void> {
  for (const until = performance.now() + 60_000; webhooks.waiting > 0; await sleep(50)) {
    if (performance.now() > until) throw new Error(`${webhooks.waiting} webhooks are not taken`);
  }
}

const ranks = ['none', 'sent', 'failed', 'delivered', 'read'];

/** What an event says: the rank that it takes a message to. */
function rankOf(eventType: string): number {
  const word = /(sent|failed|delivered|read|replied)(_v2)?$/.exec(eventType.toLowerCase())?.[1] ?? 'none';
  return word === 'replied' ? ranks.indexOf('delivered') : ranks.indexOf(word);
}

/**
 * Compares three ledgers: what WATI posted and got a 200 for, what the service says, and what WATI processed. An event with an id
 * that the service knows, answered 200, must count. Any posted event may count: one with WATI's ids alone counts once another event
 * has named its message, and the service may have been killed between recording an event and answering it.
 */
export function webhookViolations({ webhooks }: Simulator, stored: readonly StoredMessage[]): string[] {
  const byRecipient = Map.groupBy(webhooks.posts, ({ recipient }) => recipient);
  return stored.flatMap(({ id, to, localMessageId, status, delivery = 'none' }) => {
    const posted = (byRecipient.get(to ?? '') ?? []).filter(({ attempts }) => attempts.length > 0);
    const known = localMessageId ?? id;
    const taken = posted.filter(({ state, body }) => state === 'acknowledged' && body.localMessageId === known);
    const [least, most] = [highest(taken), highest(posted)];
    const rank = ranks.indexOf(delivery);
    if (rank >= least && rank <= most && (taken.length === 0 || status === 'accepted')) return [];
    return [`${id} is ${status} and ${delivery}; webhooks said ${ranks[least]}, at most ${ranks[most]}`];
  });
}

const highest = (posts: Simulator['webhooks']['posts']): number =>
  Math.max(0, ...posts.map(({ body }) => rankOf(body.eventType)));
