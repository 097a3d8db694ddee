import { queryString } from './call-options.ts';
import { withChannel } from './channel-parameter.ts';
import type { StreamCall } from './streaming.ts';
import type { Call } from './types.ts';

/** The sending calls of WATI as data, so that a send can be recorded and its call made later, also by another process. */
export type SendCall = Omit<Call, 'host' | 'connection'> & { method: 'POST'; sends: true };

export interface SendCalls {
  text(target: string, text: string, ids: { localMessageId: string; replyContextId: string | undefined }): SendCall;
  fileLink(target: string, fileUrl: string, caption?: string): SendCall;
  buttons(target: string, content: WatiButtons): SendCall;
  list(target: string, content: WatiList): SendCall;
  template(template: WatiTemplateSend, receivers: WatiReceiver[]): SendCall;
  /** For a contact id or BSUID, which the bulk call is not known to accept. */
  templateTo(target: string, template: WatiTemplateSend, parameters: Readonly<Record<string, string>>): SendCall;
  file(target: string, caption?: string): StreamedSendCall;
  csv(template: WatiTemplateSend): StreamedSendCall;
}

/** A sending call with a streamed body. `field` is the name of its only file part, which WATI defines. */
export type StreamedSendCall = Pick<StreamCall, 'operation' | 'method' | 'path' | 'query'> & { field: string };

export interface WatiButtons {
  header?: { type: 'Text' | 'Image' | 'Video' | 'Document'; text?: string; media?: { url: string; fileName?: string } };
  body: string;
  footer?: string;
  buttons: { text: string }[];
}

export interface WatiList {
  header?: string;
  body: string;
  footer?: string;
  buttonText: string;
  sections: { title?: string; rows: { title: string; description?: string }[] }[];
}

export interface WatiTemplateSend {
  name: string;
  broadcastName: string;
}

export interface WatiReceiver {
  phone: string;
  localMessageId: string;
  parameters: Readonly<Record<string, string>>;
}

const post = { method: 'POST', sends: true } as const;

export function createSendCalls(): SendCalls {
  return {
    // In the query and not in the form: WATI's documentation and working clients agree on that.
    text: (target, messageText, { localMessageId, replyContextId }) => ({
      operation: 'sendSessionMessage',
      ...post,
      path: `/api/v1/sendSessionMessage/${target}`,
      query: { messageText, localMessageId, replyContextId },
    }),
    fileLink: (target, fileUrl, caption) => ({
      operation: 'sendSessionFileViaUrl',
      ...post,
      path: `/api/v1/sendSessionFileViaUrl/${target}`,
      query: { fileUrl, caption },
    }),
    buttons: (whatsappNumber, content) => ({
      operation: 'sendInteractiveButtonsMessage',
      ...post,
      path: '/api/v1/sendInteractiveButtonsMessage',
      query: { whatsappNumber },
      json: content,
    }),
    list: (whatsappNumber, content) => ({
      operation: 'sendInteractiveListMessage',
      ...post,
      path: '/api/v1/sendInteractiveListMessage',
      query: { whatsappNumber },
      json: content,
    }),
    // Also used for a single receiver, because only the bulk call takes our own id, by which a message with a lost answer can
    // be looked up.
    template: ({ name, broadcastName }, receivers) => ({
      operation: 'sendTemplateMessages',
      ...post,
      path: '/api/v2/sendTemplateMessages',
      json: {
        template_name: name,
        broadcast_name: broadcastName,
        receivers: receivers.map(({ phone, localMessageId, parameters }) => ({
          whatsappNumber: phone,
          localMessageId,
          customParams: Object.entries(parameters).map(([key, value]) => ({ name: key, value })),
        })),
      },
    }),
    templateTo: (target, { name, broadcastName }, parameters) => ({
      operation: 'sendTemplateMessage',
      ...post,
      path: '/api/v1/sendTemplateMessage',
      json: {
        target,
        template_name: name,
        broadcast_name: broadcastName,
        parameters: Object.entries(parameters).map(([key, value]) => ({ name: key, value })),
      },
    }),
    file: (target, caption) => ({
      operation: 'sendSessionFile',
      method: 'POST',
      path: `/api/v1/sendSessionFile/${target}`,
      query: { caption },
      field: 'file',
    }),
    csv: ({ name, broadcastName }) => ({
      operation: 'sendTemplateMessageCSV',
      method: 'POST',
      path: '/api/v1/sendTemplateMessageCSV',
      query: { template_name: name, broadcast_name: broadcastName },
      field: 'whatsapp_numbers_csv',
    }),
  };
}

/**
 * Checks the length of the address. WATI takes texts in the query, and servers in between may cut long addresses. `text`: the
 * part that the caller can shorten; the detail then says how much of it fits.
 */
export function urlLengthError(
  call: Pick<Call, 'operation' | 'path' | 'query' | 'channel'>,
  bytesMax: number,
  text?: string,
): string | undefined {
  // Path and query as they are sent, with the gateway's prefix.
  const bytes = '/wati'.length + call.path.length + queryString(withChannel(call).query).length;
  if (bytes <= bytesMax) return undefined;
  const fault = `is too long for WATI once it is encoded: ${bytes} bytes, at most ${bytesMax}`;
  if (text === undefined) return fault;
  const { fits, all } = charactersIn(text, encodeURIComponent(text).length - (bytes - bytesMax));
  return `${fault}; the first ${fits} of its ${all} characters would fit: send it in parts`;
}

/** How many characters of a text fit into this many bytes of an address. */
function charactersIn(text: string, bytesMax: number): { fits: number; all: number } {
  let [fits, all, bytes] = [0, 0, 0];
  for (const character of text) {
    bytes += encodeURIComponent(character).length;
    all += 1;
    if (bytes <= bytesMax) fits = all;
  }
  return { fits, all };
}
