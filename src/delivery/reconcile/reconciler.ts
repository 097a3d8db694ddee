import { Problem } from '../../problem.ts';
import type { MessageStore, StoredMessage } from '../../store/message-store.ts';
import { throwStoreUnreadable } from '../../store/store-problems.ts';
import { flagOf } from '../../upstream/answers/fields.ts';
import type { CallContext } from '../../upstream/client.ts';
import type { Conversations, History } from '../../upstream/conversations.ts';
import { newestRows } from '../../upstream/history-reader.ts';
import type { MessageLookup } from '../../upstream/message-lookup.ts';
import { reportedEarlierMsMax, reportedLaterMsMax } from '../../upstream/report-window.ts';
import { asString, isoDate, type JsonObject } from '../../upstream/tolerant-reader.ts';
import { type Evidence, type Outcome, toJson } from '../outcome.ts';
import { type Content, contentFingerprint, contentOf } from '../send-content.ts';

/** Looks up whether a message with the outcome `unknown` arrived after all. */
export interface Reconciler {
  /**
   * Resolves with true if the message is accepted now. A missing match proves nothing, so the outcome never changes otherwise.
   * A scheduled `attempt` (from 1) costs one read and alternates between the message by its id and the history; without
   * `attempt` both are read.
   */
  reconcile(send: StoredMessage, context: CallContext, attempt?: number): Promise<boolean>;
  /** The same for several messages to one person over one connection, with one read of the history. */
  reconcileTogether(sends: readonly StoredMessage[], context: CallContext): Promise<void>;
}

export function createReconciler(
  store: Pick<MessageStore, 'countLookalikes' | 'markReconciled'>,
  conversations: Pick<Conversations, 'history'>,
  { messageLookup, channel: byDefault }: { messageLookup: MessageLookup; channel?: string | undefined },
): Reconciler {
  /** Counts other messages that may be the one in the row, over the window before and after it. */
  const countLookalikes = ({ stored, content, sentMs }: LookupTarget, exact: boolean) => {
    const from = new Date(sentMs - reportedEarlierMsMax - reportedLaterMsMax).toISOString();
    const until = new Date(sentMs + reportedEarlierMsMax + reportedLaterMsMax).toISOString();
    // If the text matches only after normalization, any other text to this person may be the match.
    const fingerprint = exact ? contentFingerprint(stored.connectionId, content) : '';
    return store.countLookalikes({ ...stored, fingerprint }, from, until).catch(throwStoreUnreadable);
  };

  const historyOf = (to: string, context: CallContext) => newestRows(conversations, context, to).catch(emptyIfUnknown);

  const confirmAccepted = (id: string, row: JsonObject, evidence: Evidence) =>
    store.markReconciled(id, acceptedBy(row, evidence)).catch(throwStoreUnreadable);

  const findIn = async (rows: readonly JsonObject[], send: LookupTarget): Promise<boolean> => {
    const { localMessageId, channel, content, sentMs, stored } = send;
    const known = rows.find((row) => localMessageId !== undefined && row.localMessageId === localMessageId);
    if (known) return confirmAccepted(stored.id, known, 'local-id');
    const candidates = rows.filter(
      (row) => !hasForeignId(row) && isThrough(row, channel) && inWindow(row, sentMs) && matchesContent(row, content),
    );
    const [only, ...others] = candidates;
    // With two candidates, among the rows or among our own messages, the match is not certain.
    if (!only || others.length > 0 || (await countLookalikes(send, isExact(only, content))) > 0) return false;
    return confirmAccepted(stored.id, only, 'content');
  };

  return {
    reconcile: async (send, reader, attempt) => {
      const target = targetOf(send, byDefault);
      if (!target) return false;
      const { localMessageId, to, channel } = target;
      const context = { ...reader, channel };
      if (channel !== undefined && localMessageId !== undefined && (attempt === undefined || attempt % 2 === 1)) {
        const own = await messageLookup.findByClientId({ ...context, channel }, localMessageId);
        if (own) return confirmAccepted(send.id, own, 'local-id');
        if (attempt !== undefined) return false;
      }
      return findIn(await historyOf(to, context), target);
    },
    reconcileTogether: async (sends, reader) => {
      const target = sends.map((send) => targetOf(send, byDefault)).filter((each) => each !== undefined);
      for (const [channel, through] of Map.groupBy(target, (each) => each.channel)) {
        const rows = await historyOf(through[0]?.to ?? '', { ...reader, channel });
        for (const each of through) await findIn(rows, each);
      }
    },
  };
}

/** What a message is recognized by. */
interface LookupTarget {
  stored: StoredMessage;
  to: string;
  localMessageId: string | undefined;
  channel: string | undefined;
  content: Content;
  sentMs: number;
}

/** Undefined: the message is not `unknown`, or has nothing to be recognized by. */
function targetOf(stored: StoredMessage, channelByDefault: string | undefined): LookupTarget | undefined {
  const { status, to, sentAt, localMessageId } = stored;
  const content = contentOf(stored);
  if (status !== 'unknown' || to === undefined || sentAt === undefined || !content) return undefined;
  const channel = stored.channel ?? channelByDefault;
  return { stored, to, localMessageId, channel, content, sentMs: Date.parse(sentAt) };
}

function inWindow(row: JsonObject, sentMs: number): boolean {
  const at = isoDate(row.created) ?? isoDate(row.timestamp);
  if (at === undefined) return false;
  const differsMs = Date.parse(at) - sentMs;
  return differsMs >= -reportedEarlierMsMax && differsMs <= reportedLaterMsMax;
}

/** Whether a row of the history is this content, sent by the company. Only texts and templates can be compared. */
function matchesContent(row: JsonObject, content: Content): boolean {
  if (content.kind === 'text') {
    const { text, replyTo } = content.body;
    return flagOf(row.owner) === true && isSameText(row.text, text) && asString(row.replyContextId) === replyTo;
  }
  return content.kind === 'template' && namesTemplate(row, content.body.template);
}

/** WATI may compose characters, change line ends and trim. */
const isSameText = (shown: unknown, sent: string): boolean =>
  shown === sent || (typeof shown === 'string' && folded(shown) === folded(sent));

const folded = (text: string): string => text.normalize('NFC').replace(/\r\n?/g, '\n').trim();

const isExact = (row: JsonObject, content: Content): boolean =>
  content.kind !== 'text' || row.text === content.body.text;

/** False if the row names another company number. */
const isThrough = (row: JsonObject, channel: string | undefined): boolean =>
  channel === undefined || (asString(row.channelPhoneNumber) ?? channel).replace(/^\+/, '') === channel;

/** False if the row has an id that is not ours, whatever its text. */
const hasForeignId = (row: JsonObject): boolean => asString(row.localMessageId) !== undefined;

/**
 * Whether the row reports a broadcast of this template. WATI names a template only in the sentence of a broadcast event. The
 * quotes are compared as well, because one name can be the beginning of another. Texts of the customer and other events that
 * quote a name prove nothing.
 */
function namesTemplate(row: JsonObject, template: string): boolean {
  if (flagOf(row.owner) === false) return false;
  const kind = asString(row.eventType)?.toLowerCase();
  if (kind === undefined || !kind.startsWith('broadcast')) return false;
  return asString(row.eventDescription)?.startsWith(`Broadcast message with using "${template}" template`) === true;
}

function acceptedBy(row: JsonObject, evidence: Evidence) {
  const outcome: Outcome = { outcome: 'accepted', evidence };
  const whatsappMessageId = asString(row.whatsappMessageId);
  return { outcome: toJson(outcome), ...(whatsappMessageId !== undefined && { whatsappMessageId }) };
}

/** WATI answers "unknown contact" for a person without a history, which proves as little as a history without a match. */
function emptyIfUnknown(error: unknown): History['rows'] {
  if (error instanceof Problem && error.slug === 'not-found') return [];
  throw error;
}
