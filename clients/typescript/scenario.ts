import assert, { match, ok } from 'node:assert/strict';
import createClient from 'openapi-fetch';
import { exampleEvents } from './generated/example-events.ts';
import type { components, KnownProblem, operations, paths } from './generated/schema.ts';

/** What a service of another team does with wati-bff, against its sandbox: `node scenario.ts ADDRESS KEY`. */
type Problem = components['schemas']['Problem'];
type Event = components['schemas']['Event'];

const [baseUrl = 'http://127.0.0.1:3000', key = 'sandbox-key-of-nobody'] = process.argv.slice(2);
const client = createClient<paths>({ baseUrl, headers: { authorization: `Bearer ${key}` } });
/** Keys are kept: each run has its own, so that the scenario can be repeated against one sandbox. */
const run = crypto.randomUUID();

/** The compiler knows what there is to expect: a status that there is no more does not compile. */
const equal = <Value>(actual: Value, expected: NoInfer<Value>) => assert.deepEqual(actual, expected);

/** Repeats are safe under one key, however often. */
async function send(text: string, to: string, idempotencyKey: string) {
  return client.POST('/v1/messages/text', {
    params: { header: { 'idempotency-key': idempotencyKey } },
    body: { to, text },
  });
}

async function sendsOnceUnderOneKey() {
  const first = await send('Your parcel is on its way.', '14155550100', `ts-text-${run}`);
  ok(first.data);
  equal(first.response.status, 201);
  equal(first.data.status, 'accepted');
  equal(first.response.headers.get('location'), `/v1/messages/${first.data.id}`);

  const again = await send('Your parcel is on its way.', '14155550100', `ts-text-${run}`);
  // What became of it since comes along.
  equal({ ...again.data, delivery: undefined }, { ...first.data, delivery: undefined });
  equal(again.response.headers.get('idempotency-replayed'), 'true');

  const { data } = await client.GET('/v1/messages/{id}', { params: { path: { id: first.data.id } } });
  equal(data?.status, 'accepted');
  console.log('text: sent once, replayed under its key');
}

/** What to do is told by the type of the problem, whether it was sent by its outcome. */
function decide({
  type,
  outcome,
  retryable,
}: Problem): 'send a template' | 'try later under a new key' | 'try later under the same key' | 'give up' {
  // @ts-expect-error No such outcome: a misspelt one is found by the compiler.
  if (outcome === 'not-sent') return 'give up';
  // Without `satisfies` a misspelt type is found by nobody: `type` is any text, as there may be more tomorrow.
  if (type.endsWith('/problems/session-window-closed' satisfies KnownProblem)) return 'send a template';
  if (!retryable) return 'give up';
  return outcome === 'not_sent' ? 'try later under a new key' : 'try later under the same key';
}

async function readsProblems() {
  const closed = await send('Hello.', '14155550409', `ts-closed-${run}`);
  ok(closed.error);
  equal(closed.error.outcome, 'rejected');
  equal(decide(closed.error), 'send a template');

  const { error } = await client.POST('/v1/messages/template', {
    body: { to: '14155550100', template: 'order_update', parameters: { customer: 'Asha' } },
  });
  ok(error);
  ok(error.type.endsWith('/problems/template-parameters-invalid' satisfies KnownProblem));
  ok(error.errors?.some(({ pointer }) => pointer === '/parameters/customer_name'));

  // @ts-expect-error A misspelt property is found by the compiler, and by the service.
  const misspelt = await client.POST('/v1/messages/text', { body: { to: '14155550100', txt: 'Hello.' } });
  ok(misspelt.error?.type.endsWith('/problems/validation-failed' satisfies KnownProblem));
  console.log('problems: window closed, parameters at fault, validation');
}

async function sendsFile() {
  const file = new Blob(['%PDF-1.4\nhello'], { type: 'application/pdf' });
  const { data, response } = await client.POST('/v1/messages/file', {
    params: { query: { to: '14155550100', caption: 'Your invoice' }, header: { 'idempotency-key': `ts-file-${run}` } },
    body: { file },
    bodySerializer: (body) => {
      const form = new FormData();
      form.set('file', body.file, 'invoice.pdf');
      return form;
    },
  });
  equal(response.status, 201);
  equal(data?.kind, 'file');
  console.log('file: streamed through');
}

async function followsBroadcast() {
  const recipients = Array.from({ length: 50 }, (_, index) => ({
    to: `1415555${2000 + index}`,
    parameters: { customer_name: 'Asha', order_id: `A-${index}`, order_status: 'shipped' },
  }));
  const { data: started } = await client.POST('/v1/broadcasts', {
    params: { header: { 'idempotency-key': `ts-broadcast-${run}` } },
    body: { template: 'order_update', broadcastName: 'clients', recipients },
  });
  ok(started);
  const path = { id: started.id };
  const { data: stream } = await client.GET('/v1/broadcasts/{id}/events', { params: { path }, parseAs: 'stream' });
  ok(stream);
  let events = '';
  for await (const text of stream.pipeThrough(new TextDecoderStream())) events += text;
  match(events, /^event: end$/m);

  const { data: ended } = await client.GET('/v1/broadcasts/{id}', { params: { path } });
  ok(ended);
  equal(ended.status, 'done');
  equal(ended.counts.accepted, recipients.length);
  console.log(`broadcast: ${ended.counts.accepted} of ${ended.counts.total} accepted, its progress streamed`);
}

/** `type` is any text: one that is new tomorrow comes to the last line, and compiles today. */
function told({ type, data: { message, received, broadcast } }: Event): string {
  if (type === 'message.received') return `${received?.recipient} wrote ${received?.text ?? received?.type}`;
  if (message) return `${message.id} is ${message.delivery?.status ?? message.status}`;
  return broadcast ? `${broadcast.counts.accepted} accepted` : type;
}

/** The cursor is kept when a page is done: after a crash it comes again, and nothing is missed. */
async function readsEvents() {
  for (const [type, event] of Object.entries(exampleEvents)) {
    equal(event.type, type);
    ok(told(event) !== '');
  }
  const latest = await client.GET('/v1/events', { params: { query: { cursor: 'latest' } } });
  ok(latest.data);
  let cursor = latest.data.nextCursor;
  const { data: sent } = await client.POST('/v1/messages/template', {
    body: { to: '14155550704', template: 'welcome' },
  });
  const seen: string[] = [];
  while (!seen.includes('message.replied')) {
    const { data: page } = await client.GET('/v1/events', {
      params: { query: { cursor, types: ['message.*'] }, header: { Prefer: 'wait=30' } },
    });
    ok(page);
    for (const event of page.data) if (event.data.message?.id === sent?.id) seen.push(event.type);
    cursor = page.nextCursor;
  }
  const expected = ['accepted', 'sent', 'delivered', 'read', 'replied'].map((each) => `message.${each}`);
  equal(seen, expected);
  console.log(`events: ${seen.length} of one message read, ${Object.keys(exampleEvents).length} examples`);
}

/** Every operation's refusals are problems, of the one type. */
type Failure = operations[Exclude<
  keyof operations,
  'receiveEvent'
>]['responses'][400]['content']['application/problem+json'];
export const failuresAreProblems = (failure: Failure): Problem => failure;

await sendsOnceUnderOneKey();
await readsProblems();
await sendsFile();
await followsBroadcast();
await readsEvents();
