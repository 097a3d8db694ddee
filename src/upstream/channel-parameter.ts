interface Place {
  in: 'query' | 'body';
  name: string;
}

const inQuery: Place = { in: 'query', name: 'channelPhoneNumber' };

/**
 * The name under which each route of WATI takes the company's own number, for accounts with several. Routes that are not listed
 * take none: contacts and templates are shared by all numbers of an account, and an assignment to an operator names no number.
 */
const places: Readonly<Record<string, Place>> = {
  sendSessionMessage: inQuery,
  sendSessionFile: inQuery,
  sendSessionFileViaUrl: inQuery,
  sendInteractiveButtonsMessage: inQuery,
  sendInteractiveListMessage: inQuery,
  sendTemplateMessage: { in: 'body', name: 'channel_number' },
  sendTemplateMessages: { in: 'body', name: 'channel_number' },
  sendTemplateMessageCSV: { in: 'query', name: 'channelNumber' },
  getMessages: inQuery,
  updateChatStatus: { in: 'body', name: 'channelPhoneNumber' },
};

interface Parts {
  operation: string;
  query?: Record<string, string | number | undefined>;
  json?: unknown;
  channel?: string | undefined;
}

/** Adds the channel to the call, where WATI expects it. */
export function withChannel<Call extends Parts>(call: Call): Call {
  const place = places[call.operation];
  const { channel } = call;
  if (channel === undefined || place === undefined) return call;
  if (place.in === 'query') return { ...call, query: { ...call.query, [place.name]: channel } };
  const body = typeof call.json === 'object' ? call.json : {};
  return { ...call, json: { ...body, [place.name]: channel } };
}
