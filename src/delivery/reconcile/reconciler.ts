import { Problem } from '../../problem.ts';
import type { SendStore, StoredSend } from '../../store/port.ts';
import { unreadable } from '../../store-problems.ts';
import { flagOf } from '../../upstream/answers/fields.ts';
import type { CallContext } from '../../upstream/client.ts';
import type { Conversations, History } from '../../upstream/conversations.ts';
import { isoDate, type JsonObject, str } from '../../upstream/lenient.ts';
import { inSmallerPages } from '../../upstream/pages.ts';
import type { ReadBack } from '../../upstream/read-back.ts';
import { type Ending, type Evidence, toJson } from '../outcome.ts';
import { type Content, contentOf, contentPrint } from '../send-content.ts';

/** Looks whether an unknown send arrived after all (delivery.md 2.8). */
export interface Reconciler {
  /**
   * One look. True: it is accepted now. No match proves nothing, so nothing else ever changes. The `nth` of the looks
   * that nobody asked for costs one read (delivery.md 2.8, item 7): by turns of the message by its id and the history.
   */
  look(send: StoredSend, context: CallContext, nth?: number): Promise<boolean>;
  /** One look for several that went to one person over one connection: the history is read once. */
  lookTogether(sends: readonly StoredSend[], context: CallContext): Promise<void>;
}

/** How far the clocks of WATI and ours may differ, and how late WATI may write a message down (delivery.md 2.8, item 4). */
const beforeMs = 60_000;
const afterMs = 15 * 60_000;

export function createReconciler(
  store: Pick<SendStore, 'twins' | 'resolve'>,
  conversations: Pick<Conversations, 'history'>,
  { readBack, channel: byDefault }: { readBack: ReadBack; channel?: string | undefined },
): Reconciler {
  /** Whatever may have put its row into our window, which is open before and after. */
  const twinsOf = ({ stored, content, sentMs }: Sought, exact: boolean) => {
    const from = new Date(sentMs - beforeMs - afterMs).toISOString();
    const until = new Date(sentMs + beforeMs + afterMs).toISOString();
    // Where the words are the same but for their form, any other text to this person may be the one.
    const fingerprint = exact ? contentPrint(stored.connectionId, content) : '';
    return store.twins({ ...stored, fingerprint }, from, until).catch(unreadable);
  };

  const historyOf = async (to: string, context: CallContext) => {
    const newest = (pageSize: number) => conversations.history(context, to, { pageNumber: 1, pageSize });
    const { rows } = await inSmallerPages([100, 10], newest).catch(emptyIfUnknown);
    return rows;
  };

  const resolve = (id: string, row: JsonObject, evidence: Evidence) =>
    store.resolve(id, found(row, evidence)).catch(unreadable);

  const findIn = async (rows: readonly JsonObject[], send: Sought): Promise<boolean> => {
    const { localMessageId, channel, content, sentMs, stored } = send;
    const known = rows.find((row) => localMessageId !== undefined && row.localMessageId === localMessageId);
    if (known) return resolve(stored.id, known, 'local-id');
    const alike = rows.filter(
      (row) => !hasForeignId(row) && isThrough(row, channel) && inWindow(row, sentMs) && carries(row, content),
    );
    const [only, ...others] = alike;
    // Two that look the same, here or among our own sends: neither can be told to be this one.
    if (!only || others.length > 0 || (await twinsOf(send, isExact(only, content))) > 0) return false;
    return resolve(stored.id, only, 'content');
  };

  return {
    look: async (send, reader, nth) => {
      const sought = soughtIn(send, byDefault);
      if (!sought) return false;
      const { localMessageId, to, channel } = sought;
      const context = { ...reader, channel };
      if (channel !== undefined && localMessageId !== undefined && (nth === undefined || nth % 2 === 1)) {
        const own = await readBack.byLocalId({ ...context, channel }, localMessageId);
        if (own) return resolve(send.id, own, 'local-id');
        if (nth !== undefined) return false;
      }
      return findIn(await historyOf(to, context), sought);
    },
    lookTogether: async (sends, reader) => {
      const sought = sends.map((send) => soughtIn(send, byDefault)).filter((each) => each !== undefined);
      for (const [channel, through] of Map.groupBy(sought, (each) => each.channel)) {
        const rows = await historyOf(through[0]?.to ?? '', { ...reader, channel });
        for (const each of through) await findIn(rows, each);
      }
    },
  };
}

/** What a look goes by. */
interface Sought {
  stored: StoredSend;
  to: string;
  localMessageId: string | undefined;
  channel: string | undefined;
  content: Content;
  sentMs: number;
}

/** Undefined: it is not unknown, or nothing of it can be recognized. */
function soughtIn(stored: StoredSend, channelByDefault: string | undefined): Sought | undefined {
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
  return differsMs >= -beforeMs && differsMs <= afterMs;
}

/** Whether a row of the history is this content, sent by us. Only where its words can be compared. */
function carries(row: JsonObject, content: Content): boolean {
  if (content.kind === 'text') {
    const { text, replyTo } = content.body;
    return flagOf(row.owner) === true && isSameText(row.text, text) && str(row.replyContextId) === replyTo;
  }
  return content.kind === 'template' && namesTemplate(row, content.body.template);
}

/** WATI may compose letters, end lines in another way and cut blanks off. */
const isSameText = (shown: unknown, sent: string): boolean =>
  shown === sent || (typeof shown === 'string' && folded(shown) === folded(sent));

const folded = (text: string): string => text.normalize('NFC').replace(/\r\n?/g, '\n').trim();

const isExact = (row: JsonObject, content: Content): boolean =>
  content.kind !== 'text' || row.text === content.body.text;
/** Not through another number of the company, where the row says which. */
const isThrough = (row: JsonObject, channel: string | undefined): boolean =>
  channel === undefined || (str(row.channelPhoneNumber) ?? channel).replace(/^\+/, '') === channel;

/** A row under an id that is not ours is somebody else's message, whatever it says. */
const hasForeignId = (row: JsonObject): boolean => str(row.localMessageId) !== undefined;

/**
 * A template is named only in the sentence of a broadcast event, its full name in quotes, because one name can begin
 * another. The customer's own words, and other events that quote a name, say nothing of what was sent.
 */
function namesTemplate(row: JsonObject, template: string): boolean {
  if (flagOf(row.owner) === false) return false;
  const kind = str(row.eventType)?.toLowerCase();
  if (kind === undefined || !kind.startsWith('broadcast')) return false;
  return str(row.eventDescription)?.startsWith(`Broadcast message with using "${template}" template`) === true;
}

function found(row: JsonObject, evidence: Evidence) {
  const ending: Ending = { outcome: 'accepted', evidence };
  const whatsappMessageId = str(row.whatsappMessageId);
  return { verdict: toJson(ending), ...(whatsappMessageId !== undefined && { whatsappMessageId }) };
}

/** A contact that WATI does not know has no history, which proves as little as a history without a match. */
function emptyIfUnknown(error: unknown): Pick<History, 'rows'> {
  if (error instanceof Problem && error.slug === 'not-found') return { rows: [] };
  throw error;
}
