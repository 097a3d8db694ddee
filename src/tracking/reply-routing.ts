import type { MessageKind } from '../store/message-store.ts';
import type {
  ContactIdentity,
  Conversation,
  ConversationFacts,
  TrackedSend,
  TrackingStore,
} from '../store/tracking-store.ts';

/** Whose message an answer is for, and how that is known; `unrouted`: nobody's. */
export const routes = ['quote', 'button', 'last-sender', 'unrouted'] as const;
export type RoutedBy = (typeof routes)[number];

/** What a customer wrote, as far as it says whom it is for. */
export interface Reply {
  connectionId: string;
  /** When it was written, and when it was heard of; wall clock, ms. */
  at: number;
  receivedAt: number;
  /** Every name under which a message may have gone to this person. */
  names: readonly string[];
  /** Our message that it quotes. */
  quoted?: TrackedSend | undefined;
  hasQuote: boolean;
  isButton: boolean;
  /** When somebody else wrote to this person; `provisional`: as far as is known yet. */
  foreign: { certain: number; provisional: number };
}

export interface Route {
  owner?: string;
  routedBy: RoutedBy;
  /** It is nobody's only because of a message that may yet turn out to be ours. */
  isUnsure?: true;
}

/** By which a customer answers with a tap. */
const interactive: readonly MessageKind[] = ['buttons', 'list', 'template'];
const buttonMs = 7 * 24 * 3_600_000;
/** Largest difference of WATI's clock and ours. */
const apartMs = 60_000;

/** The first rule that fits: the message that it quotes, for a tap the last message with buttons, the last message at all. */
export async function routeReply(
  store: Pick<TrackingStore, 'lastSendTo'>,
  reply: Reply,
  routingMs: number,
): Promise<Route> {
  const { connectionId, at, names, quoted } = reply;
  if (quoted) return { owner: quoted.caller, routedBy: 'quote' };
  // What went out later is not answered by it.
  const until = Math.min(at + apartMs, reply.receivedAt);
  if (reply.isButton && !reply.hasQuote) {
    const ask = { since: at - buttonMs, until, kinds: interactive };
    const tapped = await store.lastSendTo(connectionId, names, ask);
    if (tapped) return { owner: tapped.caller, routedBy: 'button' };
  }
  const last = await store.lastSendTo(connectionId, names, { since: at - routingMs, until });
  if (!last || reply.foreign.certain > last.sentAt) return { routedBy: 'unrouted' };
  if (reply.foreign.provisional > last.sentAt) return { routedBy: 'unrouted', isUnsure: true };
  return { owner: last.caller, routedBy: 'last-sender' };
}

/** The times of WhatsApp are whole seconds. */
const secondMs = 1_000;

/** When somebody else last wrote to a person before an answer: as the store knows it, and as the same batch says. */
export function foreignBefore(
  at: number,
  person: ContactIdentity,
  { known, batch }: { known: Conversation | undefined; batch: readonly ConversationFacts[] },
): Reply['foreign'] {
  const about = batch.filter(({ contact }) => isSame(contact, person));
  const latest = (times: (number | undefined)[]) =>
    Math.max(0, ...times.filter((time) => time !== undefined).filter((time) => time < at + secondMs));
  // This batch knows that it is ours.
  const isWithdrawn = about.some(({ withdrawn }) => withdrawn && withdrawn.entry === known?.provisionalOut?.entry);
  const provisional = isWithdrawn ? undefined : known?.provisionalOut?.at;
  return {
    certain: latest([known?.certainOutAt, ...about.map(({ foreignOutAt }) => foreignOutAt)]),
    provisional: latest([provisional, ...about.map(({ provisionalOut }) => provisionalOut?.at)]),
  };
}

const isSame = (one: ContactIdentity, other: ContactIdentity): boolean =>
  (['phone', 'bsuid', 'contactId'] as const).some((name) => one[name] !== undefined && one[name] === other[name]);
