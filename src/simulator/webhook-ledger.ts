import type { WebhookBody } from './webhook-bodies.ts';

/** A webhook, and its answer. */
export interface WebhookPost {
  readonly id: string;
  /** Simulated time at which it was first due, ms. */
  readonly due: number;
  readonly body: WebhookBody;
  /** The recipient of the message, or the customer who wrote. */
  readonly recipient: string;
  /** `lost`: the random draw said not to post it. `skipped`: the endpoint was disabled or defective. `abandoned`: every try failed. */
  state: 'waiting' | 'acknowledged' | 'lost' | 'skipped' | 'abandoned';
  readonly attempts: WebhookAttempt[];
}

export interface WebhookAttempt {
  readonly at: number;
  readonly status?: number;
  readonly error?: string;
}

/** All webhooks that WATI posted, or would have posted, oldest first. The oldest are dropped when there are too many. */
export interface WebhookLedger {
  readonly posts: readonly WebhookPost[];
  open(post: Pick<WebhookPost, 'due' | 'body' | 'recipient' | 'state'>): WebhookPost;
}

export function createWebhookLedger(keptMax: number): WebhookLedger {
  const posts: WebhookPost[] = [];
  let last = 0;
  return {
    posts,
    open(given) {
      last += 1;
      if (posts.length >= keptMax) posts.splice(0, Math.ceil(keptMax / 10));
      const post = { id: `post-${last}`, ...given, attempts: [] };
      posts.push(post);
      return post;
    },
  };
}

const names = ['recipient', 'localMessageId', 'state', 'limit'] as const;

export const webhookParameters: Readonly<Record<(typeof names)[number], string>> = {
  recipient: 'digits: whose message it tells of, or who wrote',
  localMessageId: 'of the message, which is the id that the service gave it',
  state: 'waiting, acknowledged (answered 200), lost, skipped (the endpoint was off or defective) or abandoned',
  limit: 'the newest so many, 1 to 1000; 100 without it',
};

/** The newest posts that match the query, oldest first; a string says what is wrong with it. */
export function webhookView(posts: readonly WebhookPost[], query: URLSearchParams) {
  const stray = [...query.keys()].find((name) => !names.some((each) => each === name));
  if (stray !== undefined) return `There is no query parameter ${stray}; there are ${names.join(', ')}`;
  const limit = query.get('limit') ?? '100';
  if (!/^[1-9]\d{0,3}$/.test(limit) || Number(limit) > 1_000) return 'limit must be a whole number from 1 to 1000';
  // An unencoded plus sign of a number arrives as a space.
  const recipient = query.get('recipient')?.replace(/^[+ ]/, '');
  const [localMessageId, state] = [query.get('localMessageId'), query.get('state')];
  const found: WebhookPost[] = [];
  for (let at = posts.length - 1; at >= 0 && found.length < Number(limit); at -= 1) {
    const post = posts[at];
    if (!post || (recipient !== undefined && post.recipient !== recipient)) continue;
    if (state !== null && post.state !== state) continue;
    if (localMessageId !== null && post.body.localMessageId !== localMessageId) continue;
    found.push(post);
  }
  return found.toReversed().map(({ due, attempts, ...post }) => ({
    ...post,
    due: isoOf(due),
    attempts: attempts.map(({ at, ...attempt }) => ({ at: isoOf(at), ...attempt })),
  }));
}

const isoOf = (at: number) => new Date(at).toISOString();
