import { setTimeout as sleep } from 'node:timers/promises';
import { Agent, request } from 'undici';
import type { Simulator } from '../../src/simulator/simulator.ts';
import { fields, type Subject, text } from '../routes/outcomes.ts';
import { csvSubject, fileSubject, sendingTo } from '../routes/sending.ts';
import { slugOf } from '../support/json.ts';
import { scriptOne } from './chaos.ts';
import { callerKey, type ServiceProcess } from './process.ts';
import type { Random } from './random.ts';

/** One request of the load, and what its caller heard last. */
export interface Sent {
  name: string;
  to: string;
  key?: string;
  /** Absent: no answer came, and without a key it is not asked again. */
  said?: Said;
}

export interface Said {
  status: number;
  /** `accepted`, `unknown`, ... of a message, the outcome of a problem, or its type. */
  what: string;
  location?: string;
  replayed: boolean;
}

/** The last four digits that make the sandbox misbehave; of a CSV, those that befall the whole call. */
const troubles = ['0101', '0201', '0202', '0301', '0302', '0429', '0500', '0502', '0600', '0601'] as const;
const verdicts = ['0409', '0422', '0423'] as const;

const agent = new Agent({ connections: 64, pipelining: 1, keepAliveTimeout: 500 });

export async function ask(service: ServiceProcess, method: 'GET' | 'POST', path: string, more: Subject['ask'] = {}) {
  const { json, body = null, headers = {} } = more;
  const answer = await request(`${await service.url()}${path}`, {
    dispatcher: agent,
    method,
    headers: {
      authorization: `Bearer ${callerKey}`,
      ...(json !== undefined && { 'content-type': 'application/json' }),
      ...headers,
    },
    body: json === undefined ? body : JSON.stringify(json),
    headersTimeout: 20_000,
  });
  const read: unknown = await answer.body.json();
  return { status: answer.statusCode, headers: answer.headers, json: fields(read) };
}

/** `at` makes recipient and key unique, so that the oracle can tell whose message it was. */
function draw(at: number, random: Random): { subject: Subject; sent: Sent; async: boolean } {
  const kind = random.between(0, 6);
  const ending = !random.chance(0.15)
    ? '7777'
    : kind === 6
      ? random.pick(troubles)
      : random.pick([...troubles, ...verdicts] as const);
  // A German mobile number, which has eleven digits behind its country code.
  const to = `4915${String(at).padStart(5, '0')}${ending}`;
  const subjects = [
    ...sendingTo(() => to),
    fileSubject(to, 'x'.repeat(random.between(1, 60_000))),
    csvSubject(to, `key-${at}`),
  ];
  const subject = subjects[kind] ?? fileSubject(to);
  const keyed = subject.name === 'csv' || random.chance(0.7);
  return {
    subject,
    sent: { name: subject.name, to, ...(keyed && { key: `key-${at}` }) },
    async: random.chance(0.15),
  };
}

export async function sendOne(
  simulator: Simulator,
  service: ServiceProcess,
  at: number,
  random: Random,
): Promise<Sent> {
  const { subject, sent, async } = draw(at, random);
  simulator.tenant.receive(sent.to, 'Hello');
  if (random.chance(0.25)) scriptOne(simulator, subject.operation, random);
  const headers = {
    ...subject.ask?.headers,
    ...(sent.key !== undefined && { 'idempotency-key': sent.key }),
    ...(async && { prefer: 'respond-async' }),
  };
  const repeats = sent.key !== undefined && random.chance(0.1);
  for (;;) {
    try {
      const answer = await ask(service, 'POST', subject.path, { ...subject.ask, headers });
      const said = saidBy(answer);
      // Of no record yet: once more under the key, as a caller should.
      const again = sent.key !== undefined && isPassing(said);
      if (!again) {
        sent.said = said;
        if (!repeats || said.replayed) return sent;
      }
    } catch {
      // The process was killed, or went away: only a key tells what became of it.
      if (sent.key === undefined) return sent;
    }
    await sleep(20);
  }
}

function saidBy({ status, headers, json }: Awaited<ReturnType<typeof ask>>): Said {
  const location = text(headers.location);
  const type = slugOf(json);
  return {
    status,
    what: text(json.outcome) ?? type ?? text(json.status) ?? 'nothing',
    ...(location !== undefined && { location }),
    replayed: headers['idempotency-replayed'] === 'true',
  };
}

/** Neither accepted nor refused: shed, draining, or still running. */
const isPassing = ({ what, location }: Said) =>
  location === undefined || ['idempotency-in-progress', 'queued', 'sending'].includes(what);
