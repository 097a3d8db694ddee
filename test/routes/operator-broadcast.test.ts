import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  auditLines,
  crmKey,
  type OperatedService,
  pausedBroadcast,
  readerKey,
  revealerKey,
  soon,
  staff,
  startOperated,
} from './operator-helper.ts';
import { seededConnection } from './outcomes.ts';

let service: OperatedService;
beforeEach(async () => {
  service = await startOperated({ callers: staff, settings: { MATON_CONNECTION_ID: seededConnection } });
});
afterEach(() => service.close());

describe('an operator', () => {
  it('reads one broadcast of any caller, as its caller reads it', async () => {
    const id = await pausedBroadcast(service, crmKey);
    // Sends that were in flight when it was paused may end between the two reads.
    await soon(async () => {
      const shown = await service.ask('GET', `/v1/operations/broadcasts/${id}`, { key: readerKey });
      const own = await service.ask('GET', `/v1/broadcasts/${id}`, { key: crmKey });
      expect(shown.status).toBe(200);
      expect(shown.json).toMatchObject({ ...Object(own.json), caller: 'crm' });
    });
    expect((await service.ask('GET', '/v1/operations/broadcasts/none', { key: readerKey })).status).toBe(404);
    expect((await service.ask('GET', `/v1/operations/broadcasts/${id}`, { key: crmKey })).status).toBe(403);
  });

  it('downloads its report with masked numbers, and with full ones only if allowed and recorded in the audit log', async () => {
    const id = await pausedBroadcast(service, crmKey);
    const report = (query: string, key: string) =>
      service.ask('GET', `/v1/operations/broadcasts/${id}/recipients.csv${query}`, { key });
    const { status, headers, text } = await report('', readerKey);
    expect([status, headers['content-type'], headers['content-disposition']]).toEqual([
      200,
      'text/csv; charset=utf-8; header=present',
      expect.stringContaining('autumn-recipients.csv'),
    ]);
    expect(text.trimEnd().split('\r\n')).toHaveLength(3);
    expect(text).toContain('***1001,');
    expect(text).not.toContain('1415555');
    expect((await report('?reveal=true', readerKey)).status).toBe(403);
    expect(auditLines(service).filter(({ act }) => act === 'recipients-reveal')).toEqual([]);
    expect((await report('?reveal=true', revealerKey)).text).toContain('14155551001,');
    expect(auditLines(service)).toContainEqual(
      expect.objectContaining({ act: 'recipients-reveal', outcome: 'done', about: { broadcastId: id } }),
    );
    expect((await report('', crmKey)).status).toBe(403);
  });
});
