export type Host = 'gateway' | 'control';

interface OperationShape {
  readonly operation: string;
  readonly host: Host;
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** The path as the vendor writes it, without the app segment `/wati`; `:name` stands for one path segment. */
  readonly path: string;
  readonly body: 'none' | 'json' | 'file';
  /** Whether the call sends a message to a recipient. */
  readonly sends: boolean;
}

const v1 = '/api/v1';
const v2 = '/api/v2';

/** All operations that the simulator knows (docs/reference/upstream.md). Any other path is a 404, as with a wrong tenant base. */
export const operations = [
  { operation: 'getContacts', host: 'gateway', method: 'GET', path: `${v1}/getContacts`, body: 'none', sends: false },
  {
    operation: 'getContactV3',
    host: 'gateway',
    method: 'GET',
    path: '/api/ext/v3/contacts/:target',
    body: 'none',
    sends: false,
  },
  {
    operation: 'addContact',
    host: 'gateway',
    method: 'POST',
    path: `${v1}/addContact/:target`,
    body: 'json',
    sends: false,
  },
  {
    operation: 'updateContactAttributes',
    host: 'gateway',
    method: 'POST',
    path: `${v1}/updateContactAttributes/:target`,
    body: 'json',
    sends: false,
  },
  {
    operation: 'getMessages',
    host: 'gateway',
    method: 'GET',
    path: `${v1}/getMessages/:target`,
    body: 'none',
    sends: false,
  },
  {
    operation: 'getMessageByLocalId',
    host: 'gateway',
    method: 'GET',
    path: `${v1}/whatsApp/messages/:channel/:localMessageId`,
    body: 'none',
    sends: false,
  },
  {
    operation: 'sendSessionMessage',
    host: 'gateway',
    method: 'POST',
    path: `${v1}/sendSessionMessage/:target`,
    body: 'none',
    sends: true,
  },
  {
    operation: 'sendSessionFile',
    host: 'gateway',
    method: 'POST',
    path: `${v1}/sendSessionFile/:target`,
    body: 'file',
    sends: true,
  },
  {
    operation: 'sendSessionFileViaUrl',
    host: 'gateway',
    method: 'POST',
    path: `${v1}/sendSessionFileViaUrl/:target`,
    body: 'none',
    sends: true,
  },
  {
    operation: 'getMessageTemplates',
    host: 'gateway',
    method: 'GET',
    path: `${v1}/getMessageTemplates`,
    body: 'none',
    sends: false,
  },
  {
    operation: 'sendTemplateMessageV1',
    host: 'gateway',
    method: 'POST',
    path: `${v1}/sendTemplateMessage`,
    body: 'json',
    sends: true,
  },
  {
    operation: 'sendTemplateMessageV2',
    host: 'gateway',
    method: 'POST',
    path: `${v2}/sendTemplateMessage`,
    body: 'json',
    sends: true,
  },
  {
    operation: 'sendTemplateMessagesV1',
    host: 'gateway',
    method: 'POST',
    path: `${v1}/sendTemplateMessages`,
    body: 'json',
    sends: true,
  },
  {
    operation: 'sendTemplateMessagesV2',
    host: 'gateway',
    method: 'POST',
    path: `${v2}/sendTemplateMessages`,
    body: 'json',
    sends: true,
  },
  {
    operation: 'sendTemplateMessageCSV',
    host: 'gateway',
    method: 'POST',
    path: `${v1}/sendTemplateMessageCSV`,
    body: 'file',
    sends: true,
  },
  {
    operation: 'sendInteractiveButtonsMessage',
    host: 'gateway',
    method: 'POST',
    path: `${v1}/sendInteractiveButtonsMessage`,
    body: 'json',
    sends: true,
  },
  {
    operation: 'sendInteractiveListMessage',
    host: 'gateway',
    method: 'POST',
    path: `${v1}/sendInteractiveListMessage`,
    body: 'json',
    sends: true,
  },
  {
    operation: 'assignOperator',
    host: 'gateway',
    method: 'POST',
    path: `${v1}/assignOperator`,
    body: 'none',
    sends: false,
  },
  {
    operation: 'updateChatStatus',
    host: 'gateway',
    method: 'POST',
    path: `${v1}/updateChatStatus`,
    body: 'json',
    sends: false,
  },
  { operation: 'getMedia', host: 'gateway', method: 'GET', path: `${v1}/getMedia`, body: 'none', sends: false },
  { operation: 'chatbots', host: 'gateway', method: 'GET', path: `${v1}/chatbots`, body: 'none', sends: false },
  {
    operation: 'startChatbot',
    host: 'gateway',
    method: 'POST',
    path: `${v1}/chatbots/start`,
    body: 'none',
    sends: false,
  },
  {
    operation: 'listWebhookEndpoints',
    host: 'gateway',
    method: 'GET',
    path: `${v2}/webhookEndpoints`,
    body: 'none',
    sends: false,
  },
  { operation: 'rotateToken', host: 'gateway', method: 'POST', path: `${v1}/rotateToken`, body: 'none', sends: false },
  { operation: 'listConnections', host: 'control', method: 'GET', path: '/connections', body: 'none', sends: false },
  { operation: 'createConnection', host: 'control', method: 'POST', path: '/connections', body: 'json', sends: false },
  { operation: 'getConnection', host: 'control', method: 'GET', path: '/connections/:id', body: 'none', sends: false },
  {
    operation: 'deleteConnection',
    host: 'control',
    method: 'DELETE',
    path: '/connections/:id',
    body: 'none',
    sends: false,
  },
] as const satisfies readonly OperationShape[];

export type Operation = (typeof operations)[number]['operation'];

export interface Route extends OperationShape {
  readonly operation: Operation;
}

export interface Match {
  readonly route: Route;
  readonly params: Readonly<Record<string, string>>;
}

/** Case matters here. WATI's router ignores it, but our client must use the documented spelling. */
export function findOperation(host: Host, method: string, path: string): Match | undefined {
  const given = path.split('/');
  for (const route of operations) {
    if (route.host !== host || route.method !== method) continue;
    const params = matchSegments(route.path.split('/'), given);
    if (params) return { route, params };
  }
  return undefined;
}

function matchSegments(wanted: readonly string[], given: readonly string[]): Record<string, string> | undefined {
  if (wanted.length !== given.length) return undefined;
  const params: Record<string, string> = {};
  for (const [index, segment] of wanted.entries()) {
    const text = given[index] ?? '';
    if (segment.startsWith(':')) {
      const value = decodeSegment(text);
      if (!value) return undefined;
      params[segment.slice(1)] = value;
    } else if (segment !== text) return undefined;
  }
  return params;
}

function decodeSegment(segment: string): string | undefined {
  try {
    return decodeURIComponent(segment);
  } catch {
    return undefined;
  }
}
