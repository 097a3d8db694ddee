import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { defaultRetryDelays } from '../../src/settings/retry-delays.ts';
import { withoutType } from '../support/problem-type.ts';
import { hasty, type Service, startService } from '../support/service.ts';
import { type Arrange, askFor, fields, once, type Seen, seededConnection, seen, text } from './outcomes.ts';
import {
  csvKnowsNotOf,
  lateMagicRecipients,
  lateSendOutcomes,
  magicRecipients,
  sendOutcomes,
} from './send-outcomes.ts';
import { sendingTo, streamingTo } from './sending.ts';

const open = () => '14155551000';
const allTo = (to: (at: number) => string) => [...sendingTo(to), ...streamingTo(to)];
const streamed = new Set(streamingTo(open).map(({ name }) => name));
const names = allTo(open).map(({ name }) => name);
const onEvery = (value: Seen, ofStreams = value) =>
  Object.fromEntries(names.map((name) => [name, streamed.has(name) ? ofStreams : value]));

/** Every sending route at once, because each has an operation of its own; the list of templates is known before. */
async function sendAll(service: Service, to: (at: number) => string, arrange: Arrange = () => {}) {
  const { simulator } = service;
  await simulator.startGateway();
  simulator.reset();
  await service.ask('GET', '/v1/templates', { headers: { 'maton-connection': seededConnection } });
  simulator.ledger.clear();
  const subjects = allTo(to);
  for (const { operation } of subjects) await arrange(simulator, operation);
  const answers = await Promise.all(
    subjects.map(async (subject) => ({ subject, answer: await askFor(service, subject) })),
  );
  return answers;
}

const summary = (service: Service, answers: Awaited<ReturnType<typeof sendAll>>): Record<string, Seen> =>
  Object.fromEntries(
    answers.map(({ subject, answer }) => [subject.name, seen(answer, service.simulator, subject.operation)]),
  );

/** The record, asked for afterwards, says what the answer said. */
async function recordsOf(service: Service, answers: Awaited<ReturnType<typeof sendAll>>) {
  const said = answers.map(async ({ subject, answer }) => {
    const { status, json } = await service.ask('GET', text(answer.headers.location) ?? 'no location');
    return [subject.name, { read: status, is: fields(json).status, kind: fields(json).kind }];
  });
  return Object.fromEntries(await Promise.all(said));
}

const recordsAs = (expected: Record<string, Seen>) =>
  Object.fromEntries(
    Object.entries(expected).map(([name, { outcome, is }]) => [name, { read: 200, is: outcome ?? is, kind: name }]),
  );

describe.each([
  ['every sending route', { settings: {} }, sendOutcomes, magicRecipients],
  ['every sending route, past the deadline,', hasty, lateSendOutcomes, lateMagicRecipients],
])('%s', (_name, options, outcomes, magic) => {
  let service: Service;
  beforeAll(async () => {
    service = await startService({ ...options, settings: { ...options.settings, TEMPLATE_CACHE_MS: '600000' } });
  });
  afterAll(() => service.close());

  it.each(outcomes)('tells the truth about: %s', async (_name, arrange, expected, ofStreams) => {
    const answers = await sendAll(service, open, arrange);
    const whole = onEvery(expected, ofStreams);
    expect(summary(service, answers)).toEqual(whole);
    // Before the records are asked: those requests come into the log, too. Lines about tasks have no status.
    const lines = service
      .logs()
      .filter(({ status }) => status !== undefined)
      .slice(-names.length);
    expect(await recordsOf(service, answers)).toEqual(recordsAs(whole));
    for (const { answer } of answers) {
      const location = text(answer.headers.location);
      expect(location).toMatch(/^\/v1\/messages\/[0-9a-f-]{36}$/);
      const { id } = fields(answer.json);
      if (id !== undefined) expect(`/v1/messages/${text(id)}`).toBe(location);
      expect(withoutType(answer.text)).not.toMatch(/wati\.io|evil\.example|127\.0\.0\.1/);
    }
    const said = names.map((name) => ({
      outcome: whole[name]?.outcome ?? whole[name]?.is,
      status: whole[name]?.status,
      to: name === 'csv' ? undefined : '***1000',
    }));
    expect(lines.map(({ outcome, status, to }) => ({ outcome, status, to })).sort(byJson)).toEqual(said.sort(byJson));
  });

  it.each(magic)('treats recipient ...%s as the sandbox documents', async (digits, expected, ofStreams) => {
    // A recipient for each route: 0429 is refused once, whichever route asks.
    const answers = await sendAll(service, (at) => `199988${at}${digits}`);
    const whole = { ...onEvery(expected, ofStreams), csv: csvKnowsNotOf[digits] ?? ofStreams ?? expected };
    expect(summary(service, answers)).toEqual(whole);
    expect(await recordsOf(service, answers)).toEqual(recordsAs(whole));
  });
});

const byJson = (a: object, b: object) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1);

const unauthorized: Seen = {
  status: 502,
  slug: 'upstream-unauthorized',
  outcome: 'rejected',
  retryable: false,
  requests: 1,
  processed: 0,
};
const unusable: Seen = {
  status: 409,
  slug: 'connection-unusable',
  outcome: 'rejected',
  retryable: false,
  requests: 1,
  processed: 0,
};

describe('an ambiguous refusal', () => {
  let service: Service;
  // A service of its own for each: what the control API said is believed for a second.
  beforeEach(async () => {
    // Nor are the templates read again meanwhile.
    service = await startService({ seams: { pauses: { ...defaultRetryDelays, templateMissMs: 60_000 } } });
  });

  const sides: [string, Arrange, Seen, RegExp][] = [
    [
      'the Maton key is refused',
      ({ tenant }) => {
        tenant.settings.matonKey = 'revoked';
      },
      { ...unauthorized, upstreamStatus: 401 },
      /^Maton refuses the key/,
    ],
    [
      'the WATI token is revoked',
      ({ tenant }) => {
        tenant.settings.watiToken = 'revoked';
      },
      { ...unauthorized, upstreamStatus: 401 },
      /^WATI refuses the token/,
    ],
    [
      '403 of the edge',
      once({ status: 403, body: '<html>' }),
      { ...unauthorized, status: 422, slug: 'upstream-rejected', upstreamStatus: 403 },
      /in front of WATI/,
    ],
    [
      'the connection is gone, and the list of them cannot be had',
      (simulator) => {
        simulator.tenant.connections.length = 0;
        simulator.script('listConnections', ...Array(5).fill({ status: 400 }));
      },
      { ...unusable, upstreamStatus: 400 },
      /finds fault with the connection/,
    ],
    [
      'the connection is pending',
      ({ tenant }) => {
        for (const connection of tenant.connections) connection.status = 'PENDING';
      },
      { ...unusable, upstreamStatus: 400 },
      /is pending, not active/,
    ],
    [
      'the connection failed, said in plain text',
      ({ tenant }) => {
        tenant.settings.matonErrors = 'text';
        for (const connection of tenant.connections) connection.status = 'FAILED';
      },
      { ...unusable, upstreamStatus: 400 },
      /is failed, not active/,
    ],
  ];
  it.each(sides)('is distinguished on every sending route: %s', async (_name, arrange, expected, detail) => {
    const answers = await sendAll(service, open, arrange);
    expect(summary(service, answers)).toEqual(onEvery(expected));
    expect(await recordsOf(service, answers)).toEqual(recordsAs(onEvery(expected)));
    for (const { answer } of answers) expect(fields(answer.json).detail).toMatch(detail);
    await service.close();
  });
});
