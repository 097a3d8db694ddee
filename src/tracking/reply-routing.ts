import type { MessageKind } from '../store/message-store.ts';
import type {
  ContactIdentity,
  Conversation,
  ConversationFacts,
  TrackedSend,
  TrackingStore,
} from '../store/tracking-store.ts';

/** The rule by which a reply was assigned to the caller whose message it answers; `unrouted`: none applied. */
export const routes = ['quote', 'button', 'last-sender', 'unrouted'] as const;
export type RoutedBy = (typeof routes)[number];

/** The facts about a customer's message that routing needs. */
export interface Reply {
  connectionId: string;
  /** When it was written and when it was received; wall clock, ms. */
  at: number;
  receivedAt: number;
  /** Every name under which a message may have been sent to this person. */
  names: readonly string[];
  /** The message of ours that it quotes. */
  quoted?: TrackedSend | undefined;
  hasQuote: boolean;
  isButton: boolean;
  /** When an operator or a bot last wrote to this person; `provisional`: the message may turn out to be ours. */
  foreign: { certain: number; provisional: number };
}

export interface Route {
  owner?: string;
  routedBy: RoutedBy;
  /** It is unrouted only because of a provisional foreign message. */
  isUnsure?: true;
}

/** Kinds of messages with buttons. */
const interactive: readonly MessageKind[] = ['buttons', 'list', 'template'];
const buttonMs = 7 * 24 * 3_600_000;
/** Largest difference of WATI's clock and ours. */
const apartMs = 60_000;

/** The first rule that applies: the quoted message; for a button reply the last message with buttons; the last message. */
export async function routeReply(
  store: Pick<TrackingStore, 'lastSendTo'>,
  reply: Reply,
  routingMs: number,
): Promise<Route> {
  const { connectionId, at, names, quoted } = reply;
  if (quoted) return { owner: quoted.caller, routedBy: 'quote' };
  // A message that was sent later is not the one it answers.
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

/** WhatsApp's times are whole seconds. */
const secondMs = 1_000;

/** When an operator or a bot last wrote to a person before this reply, by the store and by the same batch. */
export function foreignBefore(
  at: number,
  person: ContactIdentity,
  { known, batch }: { known: Conversation | undefined; batch: readonly ConversationFacts[] },
): Reply['foreign'] {
  const about = batch.filter(({ contact }) => isSame(contact, person));
  const latest = (times: (number | undefined)[]) =>
    Math.max(0, ...times.filter((time) => time !== undefined).filter((time) => time < at + secondMs));
  // Its message is found to be ours in this batch.
  const isEnded = about.some(
    ({ endsProvisional }) => endsProvisional && endsProvisional.entry === known?.provisionalOut?.entry,
  );
  const provisional = isEnded ? undefined : known?.provisionalOut?.at;
  return {
    certain: latest([known?.certainOutAt, ...about.map(({ foreignOutAt }) => foreignOutAt)]),
    provisional: latest([provisional, ...about.map(({ provisionalOut }) => provisionalOut?.at)]),
  };
}

const isSame = (one: ContactIdentity, other: ContactIdentity): boolean =>
  (['phone', 'bsuid', 'contactId'] as const).some((name) => one[name] !== undefined && one[name] === other[name]);
