import { setTimeout as sleep } from 'node:timers/promises';
import { request } from 'undici';
import { expect } from 'vitest';
import type { Simulator } from '../../src/simulator/simulator.ts';
import { callerKey } from './service.ts';

interface Answer {
  status: number;
  json: Record<string, unknown> & { id: string; status: string };
}

export async function ask(url: string, method: 'GET' | 'POST', path: string, json?: object): Promise<Answer> {
  const answer = await request(`${url}${path}`, {
    method,
    headers: {
      authorization: `Bearer ${callerKey}`,
      'idempotency-key': `schedule-${Math.random()}`,
      ...(json && { 'content-type': 'application/json' }),
    },
    body: json === undefined ? null : JSON.stringify(json),
  });
  return { status: answer.statusCode, json: (await answer.body.json()) as Answer['json'] };
}

export const numberOf = (n: number): string => String(14_155_562_000 + n);

/** Schedules a template to each of these numbers. Returns the ids. */
export async function schedule(url: string, numbers: readonly string[], times: object): Promise<string[]> {
  const ids: string[] = [];
  for (const to of numbers) {
    const { status, json } = await ask(url, 'POST', '/v1/messages/template', { to, template: 'welcome', ...times });
    // On a slow machine, its time may have passed already.
    expect([201, 202]).toContain(status);
    ids.push(json.id);
  }
  return ids;
}

export async function ended(url: string, ids: readonly string[], timeoutMs = 30_000): Promise<string[]> {
  const until = Date.now() + timeoutMs;
  for (;;) {
    const states = await Promise.all(ids.map(async (id) => (await ask(url, 'GET', `/v1/messages/${id}`)).json.status));
    if (states.every((state) => state !== 'queued' && state !== 'sending') || Date.now() > until) return states;
    await sleep(100);
  }
}

/** Returns when the simulated WATI got the sends to each number, ms since 1970. */
export const sentAt = (simulator: Simulator, numbers: readonly string[]): number[][] =>
  numbers.map((to) =>
    simulator.ledger.sendsTo(to).flatMap(({ processed, at }) => (processed ? [new Date(at).getTime()] : [])),
  );
