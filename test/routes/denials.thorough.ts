import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { ProblemSlug } from '../../src/problem-types.ts';
import type { Scripted } from '../../src/simulator/faults.ts';
import { problem } from '../support/problem-type.ts';
import { type Service, startService } from '../support/service.ts';
import * as connections from './connections-subjects.ts';
import * as contacts from './contacts-subjects.ts';
import * as conversations from './conversations-subjects.ts';
import { askFor, htmlPage, type Subject, seededConnection } from './outcomes.ts';
import { csvSubject, fileSubject, sendingTo } from './sending.ts';
import * as templates from './templates-subjects.ts';

const to = '14155551000';
const chatbots = 'GET /api/v1/chatbots,POST /api/v1/chatbots/start';
const start = `/v1/native/api/v1/chatbots/start?whatsappNumber=${to}&chatbotId=a`;

/** Every route that calls upstream, but for those that send what was recorded before. */
const subjects = (): Subject[] => [
  ...[contacts.list, contacts.get, contacts.put, contacts.patch],
  ...[conversations.history, conversations.operator, conversations.status],
  ...[templates.list, templates.get, templates.preview],
  ...[connections.list, connections.get, connections.create, connections.remove],
  { name: 'GET media', method: 'GET', path: '/v1/media?path=data/a.png', operation: 'getMedia' },
  { name: 'GET native', method: 'GET', path: '/v1/native/api/v1/chatbots', operation: 'chatbots' },
  { name: 'POST native', method: 'POST', path: start, operation: 'startChatbot' },
  ...sendingTo(() => to),
  fileSubject(to),
  csvSubject(to),
];
const isControl = ({ operation }: Subject) => /Connection/.test(operation);

const denials: [name: string, answer: Scripted, slug: ProblemSlug, words?: string][] = [
  ['a bare 401', { status: 401, body: '' }, 'upstream-unauthorized'],
  ['a 401 that is a page', { status: 401, body: htmlPage }, 'upstream-unauthorized'],
  ['a 401 about a token', { status: 401, body: { message: 'Invalid access token' } }, 'upstream-unauthorized'],
  ['a 401 in words', { status: 401, body: 'Unauthorized' }, 'upstream-unauthorized'],
  ['a bare 403', { status: 403, body: '' }, 'upstream-unauthorized'],
  ['a 403 that says no more', { status: 403, body: { message: 'Forbidden' } }, 'upstream-unauthorized'],
  ['a 403 about a key', { status: 403, body: { error: 'The API key is revoked' } }, 'upstream-unauthorized'],
  ['a 403 of an edge', { status: 403, body: htmlPage }, 'upstream-rejected', 'HTML'],
  [
    'a 403 about the plan',
    { status: 403, body: { message: 'This feature is not available in your plan' } },
    'upstream-rejected',
    'not available in your plan',
  ],
  [
    'a 403 about a role',
    { status: 403, body: { info: 'Operators may not do this' } },
    'upstream-rejected',
    'Operators may not do this',
  ],
  [
    'a 401 about credits',
    { status: 401, body: { result: false, info: 'Insufficient credits' } },
    'upstream-rejected',
    'Insufficient credits',
  ],
  [
    'a 403 about a quota',
    { status: 403, body: { message: 'Monthly API call quota exceeded' } },
    'quota-spent',
    'quota exceeded',
  ],
];

let service: Service;
beforeAll(async () => {
  service = await startService({
    settings: { MATON_CONNECTION_ID: seededConnection, NATIVE_PATHS: chatbots, TEMPLATE_CACHE_MS: '0' },
  });
});
beforeEach(() => service.simulator.reset());
afterAll(() => service.close());

describe('a 401 or 403 of the upstream', () => {
  it.each(denials)('is classified by its words, alike on every route: %s', async (_name, answer, slug, words) => {
    for (const subject of subjects()) {
      service.simulator.reset();
      service.simulator.script(subject.operation, answer);
      const told = await askFor(service, subject);
      const about = `${subject.name}: ${told.text}`;
      // Maton's API for connections knows no plan or role: but for a page of its edge it means the key.
      const isKey = isControl(subject) && !(answer.status === 403 && answer.body === htmlPage);
      const expected = isKey ? 'upstream-unauthorized' : slug;
      expect(told.json, about).toMatchObject({ type: problem(expected), upstream: { status: answer.status } });
      if (words !== undefined && !isKey) expect(JSON.stringify(told.json), about).toContain(words);
      expect(service.simulator.ledger.of(subject.operation), about).toHaveLength(1);
    }
  });
});
