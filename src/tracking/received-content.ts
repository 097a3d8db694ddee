import { cutText } from '../lib/cut-text.ts';
import { contentOfRow } from '../upstream/row-content.ts';
import { mediaPathOf } from '../upstream/row-media.ts';
import { asString, type JsonObject } from '../upstream/tolerant-reader.ts';
import type { ReceivedContent } from './types.ts';

/** WhatsApp's own limit of a text. */
const textMax = 4_096;
/** WhatsApp allows 256 in a payload, and less in the words of a button. */
const buttonMax = 512;
const typeMax = 64;

/** The content of a customer's message, from a webhook or a row of a history. */
export function receivedContent(member: JsonObject): ReceivedContent {
  const { button, order } = contentOfRow(member);
  const text = asString(member.text) ?? button?.text ?? order?.text;
  const path = mediaPathOf(member);
  return {
    type: cutText(asString(member.type) ?? 'text', typeMax),
    ...(text !== undefined && { text: cutText(text, textMax) }),
    ...(text !== undefined && text.length > textMax && { truncated: true }),
    ...(path !== undefined && { media: { path } }),
    ...(button && {
      button: {
        text: cutText(button.text, buttonMax),
        ...(button.payload !== undefined && { payload: cutText(button.payload, buttonMax) }),
      },
    }),
  };
}
