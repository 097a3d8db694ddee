import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { Client } from 'undici';
import { describe, expect, it } from 'vitest';
import { sandboxKey } from '../../src/callers/sandbox-key.ts';
import { parameters, started } from './helper.ts';

const customer = '14155551000';

describe('POST /_sandbox/reset', () => {
  it('discards in one call what the service knows and what WATI knows', async () => {
    const { ask, text, order, reset, advance, ledger, list } = await started();
    const key = { 'idempotency-key': 'order-1' };
    await text(customer, 'Hello', key);
    await order(customer);
    await ask('PATCH', `/v1/contacts/${customer}`, { attributes: { city: 'Oslo' } });
    await ask('PUT', '/v1/contacts/4915112345678', { name: 'New' });
    await ask('POST', '/v1/connections', {});
    const broadcast = { template: 'order_update', broadcastName: 'b', recipients: [{ to: customer, parameters }] };
    expect((await ask('POST', '/v1/broadcasts', broadcast, key)).status).toBe(202);
    await advance(3_600);
    expect(await list('/v1/messages')).toHaveLength(3);

    expect(await reset()).toMatchObject({ status: 200, json: { advancedSeconds: 0 } });

    expect(await ledger()).toEqual([]);
    expect(await list('/v1/messages')).toEqual([]);
    expect(await list('/v1/broadcasts')).toEqual([]);
    expect((await list('/v1/connections')).map(({ status }) => status)).toEqual(['active', 'failed']);
    expect((await ask('GET', `/v1/contacts/${customer}`)).json).toMatchObject({ attributes: { city: 'Pune' } });
    expect((await ask('GET', '/v1/contacts/4915112345678')).status).toBe(404);
    const history = await list(`/v1/conversations/${customer}/messages?pageSize=100`);
    expect(history.map(({ text: words }) => words)).not.toContain('Hello');
    // The key is free: other content under it is no mismatch.
    expect((await text(customer, 'Other', key)).status).toBe(201);
    expect((await ask('POST', '/v1/broadcasts', { ...broadcast, broadcastName: 'c' }, key)).status).toBe(202);
  });

  it('discards cached templates, and the recipients that it refused once', async () => {
    const { order, text, reset, ledger } = await started({ MATON_RATE_PER_SECOND: '1000', WATI_PLAN: 'none' });
    await order(customer);
    await text('14155550429');
    await reset();
    await order(customer);
    expect(await ledger('?operation=getMessageTemplates')).toHaveLength(1);
    // Once per recipient and run: it is new to it again, and is sat out again.
    expect((await text('14155550429')).status).toBe(201);
    expect(await ledger('?recipient=14155550429')).toMatchObject([{ status: 429 }, { status: 200 }]);
  });

  it('keeps the connections of callers, and lets what comes meanwhile wait', async () => {
    const { sandbox, reset } = await started();
    const client = new Client(sandbox.url);
    let connections = 0;
    client.on('connect', () => {
      connections += 1;
    });
    const read = async () => {
      const headers = { authorization: `Bearer ${sandboxKey}` };
      const { statusCode, body } = await client.request({ method: 'GET', path: '/v1/messages', headers });
      await body.dump();
      return statusCode;
    };
    expect(await read()).toBe(200);
    for (let round = 0; round < 3; round += 1) {
      const over = reset();
      expect(await read()).toBe(200);
      await over;
      expect(await read()).toBe(200);
    }
    await client.close();
    expect(connections).toBe(1);
  });

  it('drops requests that were in progress, and answers their clients', async () => {
    const { text, order, reset, ledger, list } = await started();
    const hung = text('14155550301');
    while ((await ledger('?recipient=14155550301')).length === 0);
    const others = Array.from({ length: 40 }, (_, index) => (index % 2 ? text(customer) : order(customer)));
    await reset();
    expect(await hung).toMatchObject({ status: 202, json: { status: 'unknown' } });
    // Those that came before it are over, those that came in between are of the new run; each is answered.
    const answers = await Promise.all(others);
    expect(answers.filter(({ status }) => status < 200 || status > 503)).toEqual([]);
    const records = await list('/v1/messages?limit=100');
    const sends = (await ledger()).filter(({ operation }) => String(operation).startsWith('send'));
    expect(sends).toHaveLength(records.length);
    await reset();
    expect([await ledger(), await list('/v1/messages')]).toEqual([[], []]);
  });

  it('ends the events of a broadcast that is gone', async () => {
    const { sandbox, ask, reset } = await started({ MATON_RATE_PER_SECOND: '1' });
    const recipients = Array.from({ length: 900 }, (_, index) => ({
      to: String(14_155_600_001 + index * 10),
      parameters,
    }));
    const broadcast = { template: 'order_update', broadcastName: 'b', recipients };
    const { json } = await ask('POST', '/v1/broadcasts', broadcast, { 'idempotency-key': 'b' });
    const headers = { authorization: `Bearer ${sandboxKey}` };
    const events = await fetch(`${sandbox.url}/v1/broadcasts/${String(json.id)}/events`, { headers });
    const reader = events.body?.getReader();
    expect((await reader?.read())?.done).toBe(false);
    await reset();
    for (let over = false; !over; ) over = (await reader?.read().catch(() => ({ done: true })))?.done ?? true;
    expect((await ask('GET', `/v1/broadcasts/${String(json.id)}`)).status).toBe(404);
  });

  it('restarts its counters, and keeps the metrics of the process', async () => {
    const { sandbox, text, reset } = await started();
    const metrics = async () => {
      const headers = { authorization: `Bearer ${sandboxKey}` };
      return (await fetch(`${sandbox.url}/metrics`, { headers })).text();
    };
    await text(customer);
    expect(await metrics()).toMatch(/^wati_bff_sends_total\{kind="text",outcome="accepted"\} 1$/m);
    await reset();
    expect(await metrics()).not.toMatch(/^wati_bff_sends_total\{/m);
    expect(await metrics()).toMatch(/^nodejs_eventloop_lag_seconds /m);
  });

  it('runs one after another if several are requested at once', async () => {
    const { reset, text } = await started();
    const all = await Promise.all([reset({ seed: 1 }), reset({ seed: 2 }), reset({ seed: 3 })]);
    expect(all.map(({ status }) => status)).toEqual([200, 200, 200]);
    expect((await text(customer)).status).toBe(201);
  });
});

describe('a seed', () => {
  /** Everything that has an id, of a run of a few calls. */
  async function run({ ask, text, order }: Awaited<ReturnType<typeof started>>): Promise<unknown> {
    const sent = [await text(customer), await order('14155551001'), await order('4915112345678')];
    const opened = await ask('POST', '/v1/connections', {});
    const contact = await ask('GET', '/v1/contacts/4915112345678');
    const history = await ask('GET', '/v1/conversations/14155551001/messages');
    const came = await ask('POST', '/_sandbox/messages', { from: '4915112345679', text: 'Hi' });
    const settled = [...sent, opened, contact, history, came].map(({ json }) => json);
    const stable = JSON.stringify(settled).replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, 'TIME');
    // How far a message has got by the time of the look depends on the machine.
    return JSON.parse(stable.replace(/"status":"(sent|delivered|read)"/g, '"status":"STATE"'));
  }

  it('makes the same ids in the same order, at the start and at a reset, of WATI and of the service', async () => {
    const one = await started({}, '7');
    const other = await started();
    const first = await run(one);
    await one.reset();
    expect(await run(one)).toEqual(first);
    await other.reset({ seed: 7 });
    expect(await run(other)).toEqual(first);
    await other.reset({ seed: '7' });
    expect(await run(other)).toEqual(first);
    await one.reset({ seed: 'another' });
    const another = await run(one);
    expect(another).not.toEqual(first);
    // Without one of its own a reset takes that of the start.
    await one.reset();
    expect(await run(one)).toEqual(first);
  });

  it('leaves the n-th id of a message as it is, whatever else was made before', async () => {
    const { ask, text, reset } = await started();
    await reset({ seed: 1 });
    const first = await text(customer);
    await reset({ seed: 1 });
    await ask('POST', '/v1/connections', {});
    await ask('PUT', '/v1/contacts/4915112345678', { name: 'New' });
    const second = await text(customer);
    expect(second.json.id).toBe(first.json.id);
  });

  it('is not needed: without one, ids are never the same again', async () => {
    const { text, reset } = await started();
    const ids = new Set<unknown>();
    for (let round = 0; round < 3; round += 1) {
      ids.add((await text(customer)).json.id);
      await reset();
    }
    expect(ids.size).toBe(3);
  });
});

it('answers a foreign Expect as the service does, in front of it', async () => {
  const { sandbox } = await started();
  const headers = { authorization: `Bearer ${sandboxKey}`, expect: 'wonders' };
  const asked = request(`${sandbox.url}/v1/messages`, { headers }).end();
  const [answer]: IncomingMessage[] = await once(asked, 'response');
  expect([answer?.statusCode, answer?.headers['content-type']]).toEqual([400, 'application/problem+json']);
  answer?.resume();
});
