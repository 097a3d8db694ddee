import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Service, startService } from '../helper.ts';

describe('sending a text', () => {
  let service: Service;
  beforeAll(async () => {
    service = await startService();
  });
  beforeEach(() => service.simulator.reset());
  afterAll(() => service.close());

  it('puts text, own id and quoted message into the query, with an empty body', async () => {
    const answer = await service.ask('POST', '/v1/messages/text', {
      json: { to: '+14155551000', text: 'Grüße & 50 % + 1', replyTo: 'wamid.1' },
    });
    const [entry] = service.simulator.ledger.of('sendSessionMessage');
    expect(answer.status).toBe(201);
    expect(entry).toMatchObject({
      method: 'POST',
      path: '/api/v1/sendSessionMessage/14155551000',
      query: { messageText: 'Grüße & 50 % + 1', replyContextId: 'wamid.1', localMessageId: expect.any(String) },
    });
    expect(entry?.body ?? '').toBe('');
  });
});
