import type { FastifyRequest } from 'fastify';
import { type FieldError, invalid } from '../src/problem.ts';
import type { Schedule } from '../src/store/message-store.ts';
import { textIn } from './request-text.ts';

/** Returns `sendAt` and `notAfter` of a request. The schema has parsed the times. */
export function scheduleOf({ body, query }: FastifyRequest): Schedule {
  const sendAt = textIn(body, 'sendAt') ?? textIn(query, 'sendAt');
  const notAfter = textIn(body, 'notAfter') ?? textIn(query, 'notAfter');
  return { ...(sendAt !== undefined && { sendAt }), ...(notAfter !== undefined && { notAfter }) };
}

const aheadMaxMs = 30 * 24 * 3_600_000;

/** Throws a Problem if `sendAt` or `notAfter` is not possible. `now` is the wall clock of the store, ms. */
export function assertSchedule(request: FastifyRequest, now: number): void {
  const { sendAt, notAfter } = scheduleOf(request);
  if (sendAt === undefined && notAfter === undefined) return;
  const place = (textIn(request.query, 'sendAt') ?? textIn(request.query, 'notAfter')) ? '/query' : '';
  const errors: FieldError[] = [];
  for (const [name, time] of [
    ['sendAt', sendAt],
    ['notAfter', notAfter],
  ] as const) {
    if (time === undefined || Date.parse(time) <= now + aheadMaxMs) continue;
    errors.push({ pointer: `${place}/${name}`, detail: 'is more than 30 days ahead; give a time within them' });
  }
  const last = notAfter === undefined ? undefined : Date.parse(notAfter);
  if (last !== undefined && last <= now) {
    errors.push({ pointer: `${place}/notAfter`, detail: 'has passed already, so nothing would be sent' });
  } else if (last !== undefined && sendAt !== undefined && last <= Date.parse(sendAt)) {
    errors.push({ pointer: `${place}/notAfter`, detail: 'must be later than `sendAt`, or nothing would be sent' });
  }
  if (errors.length > 0) throw invalid(errors);
}
