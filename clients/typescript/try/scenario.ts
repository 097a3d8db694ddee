import assert, { ok, rejects } from 'node:assert/strict';
import {
  type Broadcast,
  client,
  createBroadcast,
  type Event,
  EventsRefused,
  getBroadcast,
  getMessage,
  hasType,
  isProblem,
  listEvents,
  type Problem,
  readEvents,
  type SendTextErrors,
  sendFile,
  sendTemplate,
  sendText,
  streamBroadcast,
} from 'wati-bff-client';
import { exampleEvents } from './example-events.ts';

/** What a service of another team does with wati-bff, against its sandbox: `node scenario.ts ADDRESS KEY`. */
const [baseUrl = 'http://127.0.0.1:3000', auth = 'sandbox-key-of-nobody'] = process.argv.slice(2);
client.setConfig({ baseUrl, auth });
/** Keys are kept: each run has its own, so that the scenario can be repeated against one sandbox. */
const run = crypto.randomUUID();

/** The compiler knows what there is to expect: a status that there is no more does not compile. */
const equal = <Value>(actual: Value, expected: NoInfer<Value>) => assert.deepEqual(actual, expected);

/** Repeats are safe under one key, however often. */
const send = (text: string, to: string, key: string) =>
  sendText({ headers: { 'idempotency-key': key }, body: { to, text } });

async function sendsOnceUnderOneKey() {
  const first = await send('Your parcel is on its way.', '14155550100', `ts-text-${run}`);
  ok(first.data);
  equal(first.response?.status, 201);
  equal(first.data.status, 'accepted');
  equal(first.response?.headers.get('location'), `/v1/messages/${first.data.id}`);

  const again = await send('Your parcel is on its way.', '14155550100', `ts-text-${run}`);
  // What became of it since comes along.
  equal({ ...again.data, delivery: undefined }, { ...first.data, delivery: undefined });
  equal(again.response?.headers.get('idempotency-replayed'), 'true');

  const { data } = await getMessage({ path: { id: first.data.id } });
  equal(data?.status, 'accepted');
  console.log('text: sent once, replayed under its key');
}

/** What to do is told by the type of the problem, whether it was sent by its outcome. */
function decide(
  problem: Problem,
): 'send a template' | 'try later under a new key' | 'try later under the same key' | 'give up' {
  const { outcome, retryable } = problem;
  // @ts-expect-error No such outcome: a misspelt one is found by the compiler.
  if (outcome === 'not-sent') return 'give up';
  // @ts-expect-error No such problem, though there may be more tomorrow: `type` is any text.
  if (hasType(problem, 'window-closed')) return 'give up';
  if (hasType(problem, 'session-window-closed')) return 'send a template';
  if (!retryable) return 'give up';
  return outcome === 'not_sent' ? 'try later under a new key' : 'try later under the same key';
}

async function readsProblems() {
  const closed = await send('Hello.', '14155550409', `ts-closed-${run}`);
  ok(closed.error);
  equal(closed.error.outcome, 'rejected');
  equal(decide(closed.error), 'send a template');

  const { error, response } = await sendTemplate({
    body: { to: '14155550100', template: 'order_update', parameters: { customer: 'Asha' } },
  });
  equal(response?.status, 422);
  ok(error && hasType(error, 'template-parameters-invalid'));
  ok(error.errors?.some(({ pointer }) => pointer === '/parameters/customer_name'));

  // @ts-expect-error A misspelt property is found by the compiler, and by the service.
  const misspelt = await sendText({ body: { to: '14155550100', txt: 'Hello.' } });
  ok(misspelt.error && hasType(misspelt.error, 'validation-failed'));

  // A type that is new tomorrow is a problem like any other, and compiles today.
  const tomorrow: Problem = { ...misspelt.error, type: 'https://bff.example/problems/of-tomorrow' };
  equal(decide(tomorrow), 'give up');

  const nobody = await sendText({ baseUrl: 'http://127.0.0.1:9', body: { to: '14155550100', text: 'Hello.' } });
  equal([isProblem(nobody.error), isProblem(error), nobody.response], [false, true, undefined]);
  console.log('problems: window closed, parameters at fault, validation, one of tomorrow, no answer');
}

async function sendsFile() {
  const query = { to: '14155550100', caption: 'Your invoice' };
  const bytes = '%PDF-1.4\nhello';
  const file = new File([bytes], 'invoice.pdf', { type: 'application/pdf' });
  const named = await sendFile({ query, headers: { 'idempotency-key': `ts-file-${run}` }, body: { file } });
  equal(named.response?.status, 201);
  equal([named.data?.kind, named.data?.fileName], ['file', 'invoice.pdf']);
  const blob = new Blob([bytes], { type: 'application/pdf' });
  const unnamed = await sendFile({ query, headers: { 'idempotency-key': `ts-blob-${run}` }, body: { file: blob } });
  equal(unnamed.response?.status, 201);
  console.log('file: streamed through, as a File and as a Blob');
}

async function followsBroadcast() {
  const recipients = Array.from({ length: 50 }, (_, index) => ({
    to: `1415555${2000 + index}`,
    parameters: { customer_name: 'Asha', order_id: `A-${index}`, order_status: 'shipped' },
  }));
  const { data: started } = await createBroadcast({
    headers: { 'idempotency-key': `ts-broadcast-${run}` },
    body: { template: 'order_update', broadcastName: 'clients', recipients },
  });
  ok(started);
  const path = { id: started.id };
  let last: Broadcast | undefined;
  const { stream } = await streamBroadcast({ path });
  for await (const state of stream) last = state;
  equal(last?.status, 'done');

  const { data: ended } = await getBroadcast({ path });
  ok(ended);
  equal(ended.counts.accepted, recipients.length);
  console.log(`broadcast: ${ended.counts.accepted} of ${ended.counts.total} accepted, its progress streamed`);
}

/** `type` is any text: one that is new tomorrow comes to the last line, and compiles today. */
function told({ type, data: { message, received, broadcast } }: Event): string {
  if (type === 'message.received') return `${received?.recipient} wrote ${received?.text ?? received?.type}`;
  if (message) return `${message.id} is ${message.delivery?.status ?? message.status}`;
  return broadcast ? `${broadcast.counts.accepted} accepted` : type;
}

/** The cursor of an event is kept when its work is done: after a crash those behind it come again, and none is missed. */
async function readsEvents() {
  for (const [type, event] of Object.entries(exampleEvents)) {
    equal(event.type, type);
    ok(told(event) !== '');
  }
  const latest = await listEvents({ query: { cursor: 'latest' } });
  ok(latest.data);
  const { data: sent } = await sendTemplate({ body: { to: '14155550704', template: 'welcome' } });
  const seen: string[] = [];
  for await (const event of readEvents({ cursor: latest.data.nextCursor, types: ['message.*'] })) {
    if (event.data.message?.id === sent?.id) seen.push(event.type);
    if (event.type === 'message.replied') break;
  }
  const expected = ['accepted', 'sent', 'delivered', 'read', 'replied'].map((each) => `message.${each}`);
  equal(seen, expected);

  await rejects(readEvents({ cursor: 'no cursor' }).next(), (fault) => {
    ok(fault instanceof EventsRefused);
    return isProblem(fault.cause) && hasType(fault.cause, 'validation-failed');
  });
  const ending = new AbortController();
  setTimeout(() => ending.abort(), 50);
  const none = await readEvents({ cursor: 'latest', types: ['message.*'], signal: ending.signal }).next();
  equal(none.done, true);
  console.log(`events: ${seen.length} of one message read, ${Object.keys(exampleEvents).length} examples`);
}

/** Every refusal is a problem, of the one type. */
export const failuresAreProblems = (failure: SendTextErrors[keyof SendTextErrors]): Problem => failure;

await sendsOnceUnderOneKey();
await readsProblems();
await sendsFile();
await followsBroadcast();
await readsEvents();
