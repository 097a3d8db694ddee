import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { listMembers, preferences, urgencyOf } from '../../routes/header-lists.ts';
import { boundedHeaders, headerLengthMax } from '../../src/http/request-smuggling.ts';
import { goodRequest, operationsOf, problemChecker, record } from '../support/operations.ts';
import { type Service, startService } from '../support/service.ts';
import { wire } from '../support/wire.ts';

describe('a header that is read', () => {
  let service: Service;
  beforeAll(async () => {
    service = await startService();
  });
  afterAll(() => service.close());

  // What Node or the parser judges by itself: a coding, an upgrade, an expectation, a host.
  const ours = boundedHeaders.filter((name) => !['transfer-encoding', 'upgrade', 'expect', 'host'].includes(name));
  const worst = ['x', ' ', ',', 'u=0,', 'wait=1,', 'text/html;q=1,', '"', '=', ';'];

  it('is refused by its name where it is longer than it may be, on every route', async () => {
    const expectProblem = problemChecker();
    for (const operation of operationsOf()) {
      const { path, query } = goodRequest(operation);
      for (const name of ours) {
        const unit = worst[(operation.path.length + name.length) % worst.length] ?? 'x';
        const value = `x${unit.repeat(Math.ceil(15_000 / unit.length)).slice(0, 14_000)}x`;
        const answer = await wire(service.url, {
          method: operation.method,
          path: query.length > 0 ? `${path}?${query.join('&')}` : path,
          headers: { [name]: value },
        });
        expectProblem(answer, [400], `${operation.id} ${name}`);
        expect(record(answer.json).errors, `${operation.id} ${name}`).toEqual([
          { pointer: `/headers/${name}`, detail: `is longer than ${headerLengthMax} characters` },
        ]);
      }
    }
    expect(service.simulator.ledger.entries).toEqual([]);
  });

  it('counts with all lines of its name together', async () => {
    const prefer = Array.from({ length: 40 }, () => 'wait=10, '.repeat(10));
    const answer = await wire(service.url, { method: 'GET', path: '/v1/contacts', headers: { prefer } });
    expect([answer.status, record(answer.json).errors]).toEqual([
      400,
      [expect.objectContaining({ pointer: '/headers/prefer' })],
    ]);
  });

  it('is ignored on routes that do not use it: a Priority on a read', async () => {
    const answer = await wire(service.url, { method: 'GET', path: '/v1/contacts', headers: { priority: 'u=u=u=' } });
    expect(answer.status).toBe(200);
  });

  it('is refused in a body’s place: a Content-Encoding, by its name', async () => {
    const expectProblem = problemChecker();
    const takers = operationsOf().filter(({ method }) => /POST|PUT|PATCH/.test(method));
    expect(takers.length).toBeGreaterThan(10);
    for (const operation of takers) {
      const { path, query, headers } = goodRequest(operation);
      for (const coding of ['gzip', 'br', 'deflate, gzip', 'x-unheard-of']) {
        const answer = await wire(service.url, {
          method: operation.method,
          path: `${path}?${query.join('&')}`,
          headers: { ...headers, 'content-type': 'application/json', 'content-encoding': coding },
          body: '{}',
        });
        expectProblem(answer, [415], `${operation.id} ${coding}`);
        expect(record(answer.json).detail).toContain(coding);
        expect(answer.headers['accept-encoding']).toBe('identity');
      }
    }
  });
});

describe('a header that is a list', () => {
  it('has no more members than are read', () => {
    expect(listMembers('a,'.repeat(200))).toHaveLength(32);
  });

  it.each([
    ['wait=10', { wait: '10' }],
    ['respond-async, wait=10', { 'respond-async': '', wait: '10' }],
    ['Wait = "5" , wait=10', { wait: '5' }],
    ['respond-async; foo=bar, x', { 'respond-async': '', x: '' }],
    ['handling=lenient;wait=3', { handling: 'lenient' }],
    [
      'odata.include-annotations="a,respond-async,wait=1", wait=9',
      { 'odata.include-annotations': 'a,respond-async,wait=1', wait: '9' },
    ],
    ['x="a\\",respond-async", wait=9', { x: 'a\\",respond-async', wait: '9' }],
    ['respond-async;x="a, wait=1", y', { 'respond-async': '', y: '' }],
    ['x="a, respond-async', { x: '"a, respond-async' }],
    [', ,respond-async,', { 'respond-async': '' }],
  ])('says of preferences: %s', (header, expected) => {
    expect(Object.fromEntries(preferences(header))).toEqual(expected);
  });

  it.each([
    ['u=0', '0'],
    ['i, u=3', '3'],
    ['u=0, u=5', '5'],
    ['xu=0', undefined],
    ['i', undefined],
  ])('says of urgency: %s', (header, expected) => {
    expect(urgencyOf(header)).toBe(expected);
  });
});
