import { expect } from 'vitest';
import { csvSubject, fileSubject } from '../routes/sending.ts';
import { goodRequest, type Operation, operationsOf } from '../support/operations.ts';
import type { Answer, Service } from '../support/service.ts';
import type { EchoingUpstream, Manner } from './echoing-upstream.ts';
import { encodings } from './encodings.ts';

export const quotedKey = 'mtn_live-7Qz.4fK1~Xp9sT2vB8wR6yU3';

/** To whom a file and a broadcast go in every round: who searches what is kept can tell by it that something is kept. */
export const roundRecipient = '14155551000';

const unescaped = (form: string): string => {
  const text: unknown = JSON.parse(`"${form}"`);
  return String(text);
};

/** Each form of the key in small letters, with the name of its encoding. */
const forbidden = new Map(
  Object.entries(encodings).flatMap(([name, encode]) => {
    const form = encode(quotedKey);
    return [form, JSON.stringify(form).slice(1, -1), unescaped(form)].map(
      (each) => [each.toLowerCase(), name] as const,
    );
  }),
);

/** Neither the key, nor any of its forms, nor one that JSON would turn into it. */
export function expectClean(texts: readonly string[], about: string): void {
  for (const text of texts) {
    const lower = text.toLowerCase();
    for (const [form, name] of forbidden) {
      if (lower.includes(form)) expect.unreachable(`${about}: ${name}: ${text.slice(0, 500)}`);
    }
  }
}

/** With the paths that are answered as they should be. */
const manners: [Manner, RegExp][] = [
  ['refuses', /^$/],
  ['refuses', /getMessageTemplates/],
  ['says', /^$/],
  ['says', /getMessageTemplates|connections/],
  ['heads', /getMessageTemplates|connections/],
];

/** The key in each of its forms, as it stands within a JSON text; `turn` counts them. */
export const quotes = Object.entries(encodings).map(
  ([name, encode], turn) => ({ name, quote: encode(quotedKey), turn }) as const,
);

/**
 * Calls every route while the upstream quotes the key: as it is in every manner, its other forms in two of them, each in turn.
 * Returns all answers that callers got, and their statuses.
 */
export async function callEveryRoute(
  service: Service,
  upstream: EchoingUpstream,
  { quote, turn }: (typeof quotes)[number],
) {
  const operations = operationsOf();
  const statuses = new Set<number>();
  const seen: string[] = [];
  upstream.quote = quote;
  for (const [at, [manner, spared]] of manners.entries()) {
    if (turn > 0 && at !== turn % manners.length && at !== (turn + 2) % manners.length) continue;
    Object.assign(upstream, { manner, spared, status: [400, 404, 409, 422, 413][at] ?? 400 });
    upstream.asked = 0;
    for (const operation of operations) {
      if (/\/events$/.test(operation.path)) continue;
      const answer = await call(service, operation).catch(() => undefined);
      // A body that flowed already may break off, and nothing else.
      if (!answer) continue;
      statuses.add(answer.status);
      expect(answer.status, `${operation.id}: ${answer.text.slice(0, 300)}`).not.toBe(500);
      seen.push(JSON.stringify(answer.headers), answer.text);
      expectClean(seen.slice(-2), operation.id);
    }
    expect(upstream.asked).toBeGreaterThan(15);
  }
  return { statuses, seen };
}

async function call(service: Service, operation: Operation): Promise<Answer> {
  const subject = /messages\/file$/.test(operation.path)
    ? fileSubject(roundRecipient)
    : /broadcasts\/(csv|import)$/.test(operation.path)
      ? csvSubject(roundRecipient)
      : undefined;
  if (operation.form && subject) {
    const path = subject.path.replace('/csv?', `${operation.path.replace('/v1/broadcasts', '')}?`);
    return service.ask(operation.method, path, subject.ask);
  }
  const { path, query, headers, body } = goodRequest(operation);
  return service.ask(operation.method, query.length > 0 ? `${path}?${query.join('&')}` : path, {
    headers: { ...headers, ...(headers['Idempotency-Key'] && { 'Idempotency-Key': crypto.randomUUID() }) },
    ...(body !== undefined && { json: body }),
  });
}
