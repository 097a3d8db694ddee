import { setTimeout as sleep } from 'node:timers/promises';
import type { Simulator } from '../../src/simulator/simulator.ts';
import { fields, text } from '../routes/outcomes.ts';
import { ask, type Said, type Sent } from './load.ts';
import type { ServiceProcess } from './process.ts';

export interface StoredMessage {
  id: string;
  to?: string;
  status: string;
  localMessageId?: string;
  /** `sent`, `delivered`, ...; absent if no webhook said so. */
  delivery?: string;
}

/** Waits until no send is under way any more; throws if that takes longer than half a minute. */
export async function settle(service: ServiceProcess): Promise<void> {
  const until = performance.now() + 30_000;
  for (;;) {
    const open = await Promise.all(['queued', 'sending'].map((status) => page(service, `status=${status}&limit=1`)));
    if (open.every(({ messages }) => messages.length === 0)) return;
    if (performance.now() > until) throw new Error('there are sends that do not end');
    await sleep(100);
  }
}

export async function everyMessage(service: ServiceProcess): Promise<StoredMessage[]> {
  const all: StoredMessage[] = [];
  for (let cursor: string | undefined = ''; cursor !== undefined; ) {
    const { messages, next } = await page(service, `limit=100${cursor && `&cursor=${cursor}`}`);
    all.push(...messages);
    cursor = next;
  }
  return all;
}

async function page(service: ServiceProcess, query: string) {
  const { json } = await ask(service, 'GET', `/v1/messages?${query}`);
  const rows = Array.isArray(json.data) ? json.data.map(fields) : [];
  const messages = rows.map((row): StoredMessage => {
    const to = text(row.to);
    const localMessageId = text(row.localMessageId);
    const delivery = text(fields(row.delivery).status);
    return {
      id: text(row.id) ?? '',
      status: text(row.status) ?? '',
      ...(to !== undefined && { to }),
      ...(localMessageId !== undefined && { localMessageId }),
      ...(delivery !== undefined && { delivery }),
    };
  });
  return { messages, next: text(json.nextCursor) };
}

/** What may be true of a record, after what its caller heard last. */
const compatible: Record<string, readonly string[]> = {
  accepted: ['accepted'],
  rejected: ['rejected'],
  not_sent: ['not_sent'],
  unknown: ['unknown', 'accepted'],
  queued: ['accepted', 'rejected', 'not_sent', 'unknown'],
  sending: ['accepted', 'rejected', 'not_sent', 'unknown'],
};

/** What was not on record when it was said is in doubt where the process was killed before it was. */
const mayStand = ({ what, isUnrecorded = false }: Said, status: string): boolean =>
  compatible[what]?.includes(status) === true || (isUnrecorded && status === 'unknown');

/** Every way in which the promise about sends (docs/reference/delivery.md) was broken, in words. */
export function violations(simulator: Simulator, sends: readonly Sent[], stored: readonly StoredMessage[]): string[] {
  const faults: string[] = [...simulator.violations];
  const byId = new Map(stored.map((message) => [message.id, message]));
  const byRecipient = new Map(stored.flatMap((message) => (message.to === undefined ? [] : [[message.to, message]])));
  if (byRecipient.size !== stored.filter(({ to }) => to !== undefined).length) faults.push('two records of one send');
  for (const { name, to, said } of sends) {
    const processed = simulator.ledger.sendsTo(to).filter((entry) => entry.processed).length;
    const id = said?.location?.replace('/v1/messages/', '');
    const message = id === undefined ? byRecipient.get(to) : byId.get(id);
    const about = `${name} to ${to}: the caller heard ${said?.what ?? 'nothing'}, the record says ${message?.status ?? 'nothing'}, processed ${processed} times`;
    const wrong = [
      processed > 1,
      message?.status === 'accepted' && processed !== 1,
      (message?.status === 'rejected' || message?.status === 'not_sent') && processed !== 0,
      message === undefined && (processed > 0 || id !== undefined),
      message !== undefined && said !== undefined && id !== undefined && !mayStand(said, message.status),
      message !== undefined && ['queued', 'sending'].includes(message.status),
      said !== undefined && said.status < 300 && id === undefined,
    ];
    if (wrong.includes(true)) faults.push(about);
  }
  return faults;
}
