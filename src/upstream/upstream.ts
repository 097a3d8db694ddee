import type { Config } from '../config.ts';
import { KeyFinder, rememberKeys } from '../keys/key-finder.ts';
import { type Client, createClient, type Diagnosis } from './client.ts';
import { type Connections, createConnections } from './connections.ts';
import { type Contacts, createContacts } from './contacts.ts';
import { type Conversations, createConversations } from './conversations.ts';
import { createDiagnosis } from './diagnosis.ts';
import type { Dispatchers } from './dispatchers.ts';
import { Intake } from './intake.ts';
import { createSendCalls, type SendCalls } from './messages.ts';
import type { Pace } from './pace.ts';
import { createReadBack, type ReadBack } from './read-back.ts';
import { createReads } from './reads.ts';
import { createStreams, type Streams } from './streams.ts';
import { createTemplates, type Templates } from './templates.ts';
import { createTransport, type Transport } from './transport.ts';
import type { Answered, AttemptReport } from './types.ts';

/** Maton and WATI, as the rest of the service sees them: one member a noun. */
export interface Upstream {
  transport: Transport;
  diagnosis: Diagnosis;
  client: Client;
  connections: Connections;
  contacts: Contacts;
  conversations: Conversations;
  readBack: ReadBack;
  templates: Templates;
  sendCalls: SendCalls;
  streams: Streams;
  /** What of the upstream is on its way in. */
  intake: Intake;
  /** Whether the gateway takes calls for this connection, by a read that costs nothing: the probe of a lane that is held. */
  answers(connection: string): Promise<boolean>;
}

interface Surroundings {
  pace?: Pace;
  replicas: boolean;
  /** An answer to this operation had a key of this service in it. */
  onEcho?: (operation: string) => void;
  /** Called with each answer of the gateway. */
  onAnswer?: (connection: string, answer: Answered) => void;
  /** See `Pauses`. */
  readRetryMs?: number;
}

/** Stable and our own: the edge before WATI answers 403 to the default agents of HTTP libraries. */
const userAgent = 'wati-bff/0.1';

export function createUpstream(
  config: Config,
  key: () => string,
  dispatchers: Dispatchers,
  onAttempt: (report: AttemptReport) => void,
  { pace, replicas, onEcho = () => {}, onAnswer, readRetryMs }: Surroundings,
): Upstream {
  const timeoutMs = config.UPSTREAM_TIMEOUT_MS;
  const keys = rememberKeys(key);
  const intake = new Intake(new KeyFinder(keys.all), onEcho);
  const shared = {
    key: keys.current,
    intake,
    dispatchers,
    userAgent,
    onAttempt,
    onWrite: (connection: string | undefined) => reads.wrote(connection),
    ...(pace && { pace }),
    ...(onAnswer && { onAnswer }),
    ...(readRetryMs !== undefined && { readRetryMs }),
  };
  const transport = createTransport({ ...shared, timeoutMs });
  const reads = createReads(transport, { timeoutMs, replicas, ...(pace && { pace }) });
  const connections = createConnections(transport, reads, config.MATON_CONNECT_HOSTS);
  const diagnosis = createDiagnosis(connections);
  const client = createClient(transport, reads, diagnosis);
  return {
    transport,
    diagnosis,
    client,
    intake,
    connections,
    contacts: createContacts(client),
    conversations: createConversations(client),
    readBack: createReadBack(client),
    templates: createTemplates(client),
    sendCalls: createSendCalls(),
    answers: async (connection) => {
      const answer = await transport.attempt({
        operation: 'getMessageTemplates',
        host: 'gateway',
        method: 'GET',
        path: '/api/v1/getMessageTemplates',
        query: { pageSize: 1, pageNumber: 1 },
        connection,
        turn: { caller: 'wati-bff', lane: 'broadcast' },
      });
      return answer.kind === 'answered' && answer.status < 500 && ![401, 403, 429].includes(answer.status);
    },
    streams: createStreams({
      ...shared,
      headTimeoutMs: timeoutMs,
      totalTimeoutMs: config.UPLOAD_TIMEOUT_MS,
    }),
  };
}
