import { type ProblemSlug, problemTypes } from '../problem-types.ts';
import { exampleIds } from '../schemas/common.ts';
import { deliveredExample, eventListExample } from '../schemas/event-examples.ts';
import exampleAnswers from '../schemas/example-answers.json' with { type: 'json' };
import { webhookAnswers, webhookProblemExamples } from '../schemas/webhook-examples.ts';

export type Json = Record<string, unknown>;

export const isJson = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The sandbox's answers, written by `npm run examples`. */
const answers: Readonly<Record<string, Readonly<Record<string, unknown>>>> = exampleAnswers.answers;
const problems: Readonly<Record<string, Readonly<Json>>> = exampleAnswers.problems;

const notReady = {
  status: 'not-ready',
  store: 'writable',
  gateway: 'reachable',
  key: 'refused',
  connection: 'unknown',
};
const dryRun = {
  '2xx': {
    recipients: 3,
    valid: 1,
    duplicates: 1,
    optedOut: 0,
    faultCount: 2,
    faults: [
      { pointer: '/rows/2/Phone', detail: 'the number is given twice, first in row 1', row: 2, line: 3 },
      { pointer: '/rows/3/order_status', detail: 'the value is blank', row: 3, line: 4 },
    ],
    samples: [{ to: '14155550100', message: exampleAnswers.answers.previewTemplate['200'] }],
    perMinute: 120_000,
    estimatedDurationS: 1,
  },
};

/** Answers that no example of an operation causes in the sandbox. */
const others: typeof answers = {
  createBroadcast: dryRun,
  importBroadcast: dryRun,
  getReadiness: { '503': notReady },
  listEvents: { '200': eventListExample },
  getEvent: { '200': deliveredExample },
  ...webhookAnswers,
  resendBroadcast: {
    '202': {
      ...exampleAnswers.answers.createBroadcast['202'],
      resendOf: exampleIds.failedBroadcast,
      leftOut: 0,
    },
  },
  resendMessage: {
    '202': { ...exampleAnswers.answers.sendText['202'], resendOf: '6303bfc6-fc8a-4df8-b921-f2b24f9a6dd2' },
  },
};

/** The answers of an operation, each one in JSON with an example. */
export function withExamples(responses: Json, operationId: string): Json {
  const known = { ...answers[operationId], ...others[operationId] };
  return Object.fromEntries(
    Object.entries(responses).map(([status, answer]) => {
      const content = isJson(answer) && isJson(answer.content) ? answer.content : {};
      const media = content['application/json'];
      if (!isJson(answer) || !isJson(media) || !(status in known)) return [status, answer];
      return [status, { ...answer, content: { ...content, 'application/json': { ...media, example: known[status] } } }];
    }),
  );
}

const exampleReport =
  'Phone,Reference,Status,Delivery,FailureCode,FailureKind,FailureDetail,MessageId,ResendOf,CalledAt,SentAt,DeliveredAt,ReadAt,RepliedAt,FailedAt,UpdatedAt\r\n14155550113,A-1003,accepted,read,,,,d0f57fb3-5b49-4f3a-a3fc-0a4b93e29b40-r,,2026-11-02T09:30:00.000Z,2026-11-02T09:30:01.000Z,2026-11-02T09:30:02.000Z,2026-11-02T09:31:00.000Z,,,2026-11-02T09:30:00.412Z\r\n';

/** Answers in text, by their operation. */
const inText: Readonly<Record<string, string>> = {
  streamBroadcast: `id: end\nevent: end\ndata: ${JSON.stringify(exampleAnswers.answers.getBroadcast['200'])}\n\n`,
  reportBroadcast: exampleReport,
  reportAnyBroadcast: exampleReport.replace('1415555', '***'),
  streamEvents: `id: ${deliveredExample.cursor}\nevent: ${deliveredExample.type}\ndata: ${JSON.stringify(deliveredExample)}\n\n`,
  streamOperations: `event: budget\ndata: ${JSON.stringify(exampleAnswers.answers.getBudget['200'].points[0])}\n\n`,
  getMetrics:
    '# HELP wati_bff_sends_total Sends that ended, by outcome\n# TYPE wati_bff_sends_total counter\nwati_bff_sends_total{kind="text",outcome="accepted"} 1\n',
};

/** A streamed answer. Text is a string to a generated client, anything else a file. */
export const bytes = (produces: string, operationId: string): Json => {
  const example = inText[operationId];
  const schema = { type: 'string', ...(!produces.startsWith('text/') && { format: 'binary' }) };
  return { 200: { description: 'as it is', content: { [produces]: { schema, ...(example && { example }) } } } };
};

/** Problems that no request causes in the sandbox. */
const rare: Partial<Record<ProblemSlug, Json>> = {
  forbidden: { detail: 'your key lacks the scope messages:send' },
  'sending-forbidden': {
    detail: '1 recipient or template that your key may not send to; nothing was sent',
    errors: [{ pointer: '/to', detail: 'is none of the recipients of your entry' }],
  },
  'connection-ambiguous': { detail: 'name the connection with the header Maton-Connection' },
  'events-not-recorded': {
    detail: 'your operator has to list the types that you want in `events` of the entry `billing` in the callers file',
    instance: '/v1/events',
  },
  'cursor-expired': {
    detail: 'events behind this cursor were deleted by age, so that you have missed some',
    instance: '/v1/events',
    earliest: eventListExample.nextCursor,
    latest: eventListExample.nextCursor,
  },
  'idempotency-in-progress': { detail: 'the first request with this key is still running; it was not taken again' },
  'quota-spent': {
    detail: 'WATI says that the account has spent its quota; upstream.detail has its words',
    outcome: 'rejected',
    upstream: { status: 429, detail: 'Monthly API call quota exceeded.' },
  },
  'rate-limited': { detail: 'the upstream limits the rate', instance: '/v1/contacts', upstream: { status: 429 } },
  internal: { detail: 'the fault is logged under this requestId' },
  'upstream-invalid': {
    detail: 'the upstream answered 302, which is not followed',
    instance: '/v1/contacts',
    upstream: { status: 302 },
  },
  'upstream-unauthorized': {
    detail: 'Maton refuses the key of this service',
    outcome: 'rejected',
    upstream: { status: 401 },
  },
  'store-unavailable': { detail: 'it could not be recorded, so nothing was sent', outcome: 'not_sent' },
  'sending-stopped': {
    detail: 'an operator has stopped sending: wrong prices in the campaign; nothing was recorded and nothing was sent',
    outcome: 'not_sent',
  },
  overloaded: { detail: 'as many uploads as there may be at once; nothing was sent' },
  'shutting-down': { detail: 'this instance is about to end; nothing was sent' },
  ...webhookProblemExamples,
  'upstream-timeout': { detail: 'the upstream did not answer in time', instance: '/v1/contacts' },
};

const slugs = Object.keys(problemTypes) as ProblemSlug[];

/** One example per problem type, for all operations that can answer it. */
export const problemExamples = Object.fromEntries(
  slugs.map((slug) => {
    const { title, status, retryable, meaning } = problemTypes[slug];
    const usual = { detail: meaning, instance: '/v1/messages/text', requestId: '5f1c9a7e', retryable };
    // Title and status are taken from the table of problem types.
    const type = `http://127.0.0.1:3000/problems/${slug}`;
    const value = { ...usual, ...rare[slug], ...problems[slug], type, title, status };
    return [slug, { summary: title, value }];
  }),
);
