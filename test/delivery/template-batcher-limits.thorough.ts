import { afterEach, describe, expect, it } from 'vitest';
import { startPaced } from '../support/paced.ts';
import { problem } from '../support/problem-type.ts';
import type { Answer, Service } from '../support/service.ts';

const MATON_CONNECTION_ID = '21fd90f9-5935-43cd-b6c8-bde9d915ca80';
const parameters = { customer_name: 'Asha', order_id: 'A-1', order_status: 'shipped' };
const numbers = (count: number, from: number) => Array.from({ length: count }, (_, n) => String(from + n));

describe('many template messages that wait for a permit', () => {
  let service: Service;
  afterEach(() => service.close());

  /** Time stands still, and the turn that was free is used. */
  const start = async (perSecond: number, settings: Record<string, string>) => {
    const paced = await startPaced(perSecond, { settings: { MATON_CONNECTION_ID, ...settings } });
    ({ service } = paced);
    await service.ask('GET', '/v1/templates');
    return paced;
  };
  const send = (to: string, headers = {}) =>
    service.ask('POST', '/v1/messages/template', { json: { to, template: 'order_update', parameters }, headers });
  const calls = () => service.simulator.ledger.of('sendTemplateMessagesV2');

  it('need one permit for a whole batch: ten times as many as there are permits are all admitted', async () => {
    // Fewer than a busy process takes at once.
    const paced = await start(1, { SEND_WAIT_MS: '15000' });
    const answers = await paced.during(Promise.all(numbers(150, 14156001000).map((to) => send(to))));
    expect(answers.map(({ json }) => json)).toEqual(Array(150).fill(expect.objectContaining({ status: 'accepted' })));
    expect(calls().every(({ status }) => status === 200)).toBe(true);
    expect(new Set(calls().flatMap(({ recipients }) => recipients)).size).toBe(150);
    expect(calls().flatMap(({ recipients }) => recipients).length).toBe(150);
  });

  it('are limited in number: the next one is refused unrecorded, an urgent one is not', async () => {
    await start(10, { SEND_WAIT_MS: '3600000', GROUP_MAX_INTERACTIVE: '1' });
    const later = (to: string, headers = {}) => send(to, { prefer: 'respond-async', ...headers });
    const answers: Answer[] = [];
    for (let at = 0; at < 1_100; at += 100) {
      answers.push(...(await Promise.all(numbers(100, 14156001000 + at).map((to) => later(to)))));
    }
    const refused = answers.filter(({ status }) => status === 429);
    // There is room for a thousand, and for fewer where the process has no rest.
    expect(refused.length).toBeGreaterThanOrEqual(100);
    expect(answers.filter(({ status }) => status === 202).length).toBe(1_100 - refused.length);
    expect(answers.length - refused.length).toBeGreaterThanOrEqual(190);
    expect(refused[0]).toMatchObject({ headers: { 'retry-after': '1' }, json: { type: problem('rate-limited') } });
    expect((await later('14156009999', { priority: 'u=0' })).status).toBe(202);
  });
});
