import { Problem } from '../problem.ts';
import type { SendStore, StoredSend } from '../store/port.ts';
import type { CallContext } from '../upstream/client.ts';
import type { Conversations, History } from '../upstream/conversations.ts';
import { isoDate, type JsonObject, str } from '../upstream/lenient.ts';
import type { ReadBack } from '../upstream/read-back.ts';
import { type Content, contentOf, contentPrint } from './content.ts';
import { type Ending, type Evidence, toJson } from './ending.ts';
import { unreadable } from './store-trouble.ts';

/** Looks whether an unknown send arrived after all (delivery.md 2.8). */
export interface Reconciler {
  /**
   * One look. True: it is accepted now. No match proves nothing, so nothing else ever changes. The `nth` of the looks
   * that nobody asked for costs one read (delivery.md 2.8, item 7): by turns of the message by its id and the history.
   */
  look(send: StoredSend, context: CallContext, nth?: number): Promise<boolean>;
}

/** How far the clocks of WATI and ours may differ, and how late WATI may write a message down (delivery.md 2.8, item 4). */
const beforeMs = 60_000;
const afterMs = 15 * 60_000;

export function createReconciler(
  store: SendStore,
  conversations: Pick<Conversations, 'history'>,
  readBack: ReadBack | undefined,
): Reconciler {
  /** Whatever may have put its row into our window, which is open before and after. */
  const twinsOf = (send: StoredSend, content: Content, sentMs: number) => {
    const from = new Date(sentMs - beforeMs - afterMs).toISOString();
    const until = new Date(sentMs + beforeMs + afterMs).toISOString();
    const fingerprint = contentPrint(send.connectionId, content);
    return store.twins({ ...send, fingerprint }, from, until).catch(unreadable);
  };

  const resolve = (id: string, row: JsonObject, evidence: Evidence) =>
    store.resolve(id, found(row, evidence)).catch(unreadable);

  return {
    look: async (send, context, nth) => {
      const content = contentOf(send);
      if (send.status !== 'unknown' || send.to === undefined || send.sentAt === undefined || !content) return false;
      const { localMessageId } = send;
      if (readBack && localMessageId !== undefined && (nth === undefined || nth % 2 === 1)) {
        const own = await readBack.byLocalId(context, localMessageId);
        if (own) return resolve(send.id, own, 'local-id');
        if (nth !== undefined) return false;
      }
      const { rows } = await conversations
        .history(context, send.to, { pageNumber: 1, pageSize: 100 })
        .catch(emptyIfUnknown);
      const sentMs = Date.parse(send.sentAt);
      const known = rows.find((row) => localMessageId !== undefined && row.localMessageId === localMessageId);
      if (known) return resolve(send.id, known, 'local-id');
      const alike = rows.filter((row) => !hasForeignId(row) && inWindow(row, sentMs) && carries(row, content));
      const [only, ...others] = alike;
      // Two that look the same, here or among our own sends: neither can be told to be this one.
      if (!only || others.length > 0 || (await twinsOf(send, content, sentMs)) > 0) return false;
      return resolve(send.id, only, 'content');
    },
  };
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
    return row.owner === true && row.text === text && str(row.replyContextId) === replyTo;
  }
  return content.kind === 'template' && namesTemplate(row, content.body.template);
}

/** A row under an id that is not ours is somebody else's message, whatever it says. */
const hasForeignId = (row: JsonObject): boolean => str(row.localMessageId) !== undefined;

/**
 * A template is named only in the sentence of a broadcast event, its full name in quotes, because one name can begin
 * another. The customer's own words, and other events that quote a name, say nothing of what was sent.
 */
function namesTemplate(row: JsonObject, template: string): boolean {
  if (row.owner === false || row.owner === 'false') return false;
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
