import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Service, startService } from '../support/service.ts';
import { crmKey, pausedBroadcast, readerKey, staff } from './operator-helper.ts';
import { seededConnection } from './outcomes.ts';

let service: Service;
beforeEach(async () => {
  service = await startService({ callers: staff, settings: { MATON_CONNECTION_ID: seededConnection } });
});
afterEach(() => service.close());

describe('an operator', () => {
  it('reads one broadcast of any caller, as its caller reads it', async () => {
    const id = await pausedBroadcast(service, crmKey);
    const shown = await service.ask('GET', `/v1/operations/broadcasts/${id}`, { key: readerKey });
    const own = await service.ask('GET', `/v1/broadcasts/${id}`, { key: crmKey });
    expect(shown.status).toBe(200);
    expect(shown.json).toMatchObject({ ...Object(own.json), caller: 'crm' });
    expect((await service.ask('GET', '/v1/operations/broadcasts/none', { key: readerKey })).status).toBe(404);
    expect((await service.ask('GET', `/v1/operations/broadcasts/${id}`, { key: crmKey })).status).toBe(403);
  });
});
