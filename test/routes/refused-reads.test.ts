import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ProblemSlug } from '../../src/problem-types.ts';
import type { Scripted } from '../../src/simulator/faults.ts';
import { htmlPage } from '../../src/simulator/pages.ts';
import { type Paced, startPaced } from '../support/paced.ts';
import { problem } from '../support/problem-type.ts';
import type { Service } from '../support/service.ts';

let paced: Paced;
let service: Service;
beforeAll(async () => {
  paced = await startPaced(10);
  ({ service } = paced);
});
afterAll(() => service.close());

const quota = 'Monthly API call quota exceeded. Upgrade your plan.';
const hour = { 'retry-after': '3600' };

describe('a refused read', () => {
  it.each<[string, Scripted, number, ProblemSlug, string | undefined]>([
    ['a quota that is spent', { status: 429, body: { message: quota }, headers: hour }, 429, 'quota-spent', quota],
    [
      'a plan that ended',
      { status: 429, body: { info: 'Your trial has expired' } },
      429,
      'quota-spent',
      'Your trial has expired',
    ],
    [
      'a plan without it',
      { status: 403, body: { message: 'not available in your plan' } },
      422,
      'upstream-rejected',
      'not available in your plan',
    ],
    [
      'a role',
      { status: 403, body: { message: 'Operators may not do this' } },
      422,
      'upstream-rejected',
      'Operators may not do this',
    ],
    [
      'an edge',
      { status: 403, body: htmlPage('403 Forbidden') },
      422,
      'upstream-rejected',
      'the upstream returned HTML',
    ],
    [
      'credits, with a 401',
      { status: 401, body: { message: 'Insufficient credits' } },
      422,
      'upstream-rejected',
      'Insufficient credits',
    ],
    ['a bare 403', { status: 403, body: '' }, 502, 'upstream-unauthorized', undefined],
    [
      'a refused token',
      { status: 401, body: { message: 'Invalid access token' } },
      502,
      'upstream-unauthorized',
      undefined,
    ],
  ])(
    'is told with the words of WATI, costs one call, and holds up nobody: %s',
    async (_name, answer, status, slug, detail) => {
      const before = service.simulator.ledger.of('getContacts').length;
      service.simulator.script('getContacts', answer);
      const read = await paced.during(service.ask('GET', '/v1/contacts'));
      expect(read).toMatchObject({ status, json: { type: problem(slug) } });
      if (detail !== undefined) expect(read.json).toMatchObject({ upstream: { status: answer.status, detail } });
      expect(service.simulator.ledger.of('getContacts')).toHaveLength(before + 1);
      expect(paced.events.filter(({ what }) => what === 'refusal')).toEqual([]);
    },
  );
});

it('a 500 explains the cause, to reads and to sends', async () => {
  const message = 'Connection expired. Please reconnect.';
  service.simulator.script('getContacts', ...Array<Scripted>(3).fill({ status: 500, body: { message } }));
  const read = await paced.during(service.ask('GET', '/v1/contacts'));
  expect(read).toMatchObject({ status: 503, json: { upstream: { status: 500, detail: message } } });
  service.simulator.script('sendSessionMessage', { status: 500, body: { message } });
  const json = { to: '14155551000', text: 'Hello' };
  const sent = await paced.during(service.ask('POST', '/v1/messages/text', { json }));
  expect(sent).toMatchObject({
    status: 202,
    json: { status: 'unknown', failure: { detail: expect.stringContaining(message) } },
  });
});
