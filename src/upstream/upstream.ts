import type { Config } from '../config.ts';
import { KeyFinder, rememberKeys } from '../keys/key-finder.ts';
import type { RateLimiter } from '../rate-limit/types.ts';
import { createAuthDiagnosis } from './auth-diagnosis.ts';
import { type AuthDiagnosis, type Client, createClient } from './client.ts';
import { type Connections, createConnections } from './connections.ts';
import { type Contacts, createContacts } from './contacts.ts';
import { type Conversations, createConversations } from './conversations.ts';
import type { Dispatchers } from './dispatchers.ts';
import { createMessageLookup, type MessageLookup } from './message-lookup.ts';
import { backgroundPriority } from './permits.ts';
import { createReadCoalescer } from './request-coalescing.ts';
import { createSendCalls, type SendCalls } from './send-calls.ts';
import { createStreams, type Streams } from './streaming.ts';
import { createTemplates, type Templates } from './templates.ts';
import { createTransport, type Transport } from './transport.ts';
import type { CallReport, HttpResponse } from './types.ts';
import { UntrustedBodyReader } from './untrusted-body.ts';

/** The client of Maton and WATI: one member per noun. */
export interface Upstream {
  transport: Transport;
  diagnosis: AuthDiagnosis;
  client: Client;
  connections: Connections;
  contacts: Contacts;
  conversations: Conversations;
  messageLookup: MessageLookup;
  templates: Templates;
  sendCalls: SendCalls;
  streams: Streams;
  /** Reads response bodies, with the limits of the pools. */
  bodyReader: UntrustedBodyReader;
  /** Probe of the circuit breaker: whether the gateway accepts calls for this connection, by a cheap read. */
  isConnectionAccepted(connection: string): Promise<boolean>;
}

interface UpstreamOptions {
  /** The Maton key in use. */
  key: () => string;
  dispatchers: Dispatchers;
  onAttempt: (report: CallReport, connection?: string) => void;
  rateLimiter?: RateLimiter;
  /** Other replicas share the account. */
  replicas: boolean;
  /** A response to this operation contained a key of this service. */
  onEcho?: (operation: string) => void;
  /** Called with each answer of the gateway. */
  onAnswer?: (connection: string, answer: HttpResponse) => void;
  /** See `RetryDelays`. */
  readRetryMs?: number;
}

/** Fixed and our own, because the edge in front of WATI answers 403 to the default agents of HTTP libraries. */
const userAgent = 'wati-bff/0.1';

export function createUpstream(config: Config, options: UpstreamOptions): Upstream {
  const { key, dispatchers, onAttempt, rateLimiter, replicas, onEcho = () => {}, onAnswer, readRetryMs } = options;
  const timeoutMs = config.UPSTREAM_TIMEOUT_MS;
  const keys = rememberKeys(key);
  const bodyReader = new UntrustedBodyReader(new KeyFinder(keys.all), onEcho);
  const shared = {
    key: keys.current,
    bodyReader,
    dispatchers,
    userAgent,
    onAttempt,
    onWrite: (connection: string | undefined) => reads.invalidate(connection),
    ...(rateLimiter && { rateLimiter }),
    ...(onAnswer && { onAnswer }),
    ...(readRetryMs !== undefined && { readRetryMs }),
  };
  const transport = createTransport({ ...shared, timeoutMs });
  const reads = createReadCoalescer(transport, { timeoutMs, replicas, ...(rateLimiter && { rateLimiter }) });
  const connections = createConnections(transport, reads, config.MATON_CONNECT_HOSTS);
  const diagnosis = createAuthDiagnosis(connections);
  const client = createClient(transport, reads, diagnosis);
  return {
    transport,
    diagnosis,
    client,
    bodyReader,
    connections,
    contacts: createContacts(client),
    conversations: createConversations(client),
    messageLookup: createMessageLookup(client),
    templates: createTemplates(client),
    sendCalls: createSendCalls(),
    isConnectionAccepted: async (connection) => {
      const answer = await transport.execute({
        operation: 'getMessageTemplates',
        host: 'gateway',
        method: 'GET',
        path: '/api/v1/getMessageTemplates',
        query: { pageSize: 1, pageNumber: 1 },
        connection,
        priority: backgroundPriority,
      });
      return answer.kind === 'answered' && answer.status < 500 && ![401, 403, 429].includes(answer.status);
    },
    streams: createStreams({
      ...shared,
      headersTimeoutMs: timeoutMs,
      totalTimeoutMs: config.UPLOAD_TIMEOUT_MS,
    }),
  };
}
