import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openStore, type Store } from '../../src/store/open.ts';
import { insertPublished } from '../store/broadcast-samples.ts';
import { OPTIONS } from '../store/samples.ts';
import { problem } from '../support/problem-type.ts';
import { type Service, startService } from '../support/service.ts';
import { crmKey, readerKey, staff, writerKey } from './operator-helper.ts';
import { seededConnection } from './outcomes.ts';

let service: Service;
let store: Store;
const leaving = new AbortController();
beforeEach(async () => {
  store = await openStore('memory:', OPTIONS);
  service = await startService({ callers: staff, store, settings: { MATON_CONNECTION_ID: seededConnection } });
});
afterEach(() => {
  leaving.abort();
  return service.close();
});

const open = (key = readerKey) =>
  fetch(`${service.url}/v1/operations/stream`, {
    headers: { authorization: `Bearer ${key}` },
    signal: leaving.signal,
  });

/** Reads until the text so far matches. */
async function readUntil(reader: ReadableStreamDefaultReader<Uint8Array>, pattern: RegExp): Promise<string> {
  const decoder = new TextDecoder();
  for (let text = ''; ; ) {
    if (pattern.test(text)) return text;
    const { value, done } = await reader.read();
    if (done) throw new Error(`it ended with ${text}`);
    text += decoder.decode(value, { stream: true });
  }
}

describe('an operator who follows operations', () => {
  it('sees the overview and each broadcast as it changes, only with its scope, and on a limited number of streams', async () => {
    const id = 'campaign';
    await insertPublished(store, id, 2);
    await store.changeBroadcastStatus('crm', id, { to: 'paused' });
    expect((await service.ask('GET', '/v1/operations/stream', { key: crmKey })).status).toBe(403);
    expect((await service.ask('GET', '/v1/operations/budget', { key: readerKey })).json).toEqual({
      intervalS: 5,
      points: [],
    });
    const answer = await open();
    expect(answer.headers.get('content-type')).toBe('text/event-stream');
    const reader = answer.body?.getReader();
    if (!reader) throw new Error('no body');
    const first = await readUntil(reader, /event: overview\ndata: .*\n\n/);
    expect(first).toContain(`event: broadcast\ndata: {"id":"${id}"`);
    expect(first).not.toMatch(/1415555/);
    await service.ask('POST', `/v1/operations/broadcasts/${id}/cancel`, { key: writerKey });
    await readUntil(reader, /event: broadcast\ndata: .*"status":"cancelled"/);

    // Kept, because fetch ends the stream of an answer that is collected as garbage.
    const others: Response[] = [];
    while (others.length < 15) others.push(await open());
    expect(others.map(({ status }) => status)).toEqual(Array.from(others, () => 200));
    const refused = await service.ask('GET', '/v1/operations/stream', { key: readerKey });
    expect(refused).toMatchObject({ status: 429, json: { type: problem('rate-limited') } });
  });
});
