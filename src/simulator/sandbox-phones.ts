import { isPicture } from './media.ts';
import { conversationOf, type PhoneView, phonesOf } from './phones.ts';
import { FileAnswer, type SandboxRoute, type Steering } from './sandbox-route.ts';
import type { HistoryRow } from './state.ts';

const number = /^[1-9][0-9]{6,14}$/;
const windowMs = 24 * 3_600_000;

const limitForm = (max: number, usual: number) => `how many, 1 to ${max}; ${usual} without it`;

export const phoneRoutes: readonly SandboxRoute[] = [
  {
    route: 'GET /_sandbox/phones',
    does: 'the customers who have a conversation, the newest first, with its last message',
    query: { search: 'a part of the number or of the name', limit: limitForm(500, 50) },
    run: ({ query }, { tenant }) => {
      const asked = questions(query, { search: '', limit: '50' });
      if (typeof asked === 'string') return asked;
      const limit = limitOf(asked.limit, 500);
      return typeof limit === 'string' ? limit : phonesOf(tenant, { search: asked.search ?? '', limit });
    },
  },
  {
    route: 'GET /_sandbox/phones/{number}',
    does: 'the phone of a customer: its newest messages as they are seen there, oldest first',
    query: { limit: limitForm(1_000, 200) },
    run: ({ query, params: [given = ''] }, steering) => {
      const phone = given.replace(/^(\+|%2B)/i, '');
      if (!number.test(phone)) return `${phone} is no phone number in digits, with its country code`;
      const asked = questions(query, { limit: '200' });
      if (typeof asked === 'string') return asked;
      const limit = limitOf(asked.limit, 1_000);
      return typeof limit === 'string' ? limit : phoneOf(phone, limit, steering);
    },
  },
  {
    route: 'GET /_sandbox/pictures',
    does: 'a picture that a customer sent, or that was uploaded to one: up to a megabyte, the newest fifty',
    query: { path: 'the path of the file in GET /_sandbox/phones/{number}' },
    run: ({ query }, { tenant }) => {
      const file = tenant.files.get(query.get('path') ?? '');
      return file && isPicture(file.contentType) ? new FileAnswer(file) : 'There is no such picture (any more)';
    },
  },
];

/** Also accepts a number without a conversation, and one that WATI does not know. */
function phoneOf(phone: string, limit: number, { tenant, tracking, clock, agenda }: Steering): PhoneView {
  agenda.catchUp();
  const contact = tenant.contacts.get(phone);
  const { name, bsuid } = contact ?? { name: phone };
  const wrote = tenant.history.get(phone)?.findLast(isFromCustomer)?.created;
  const endsAt = wrote === undefined ? undefined : Date.parse(wrote) + windowMs;
  return {
    phone,
    name,
    ...(bsuid !== undefined && { bsuid }),
    advancedSeconds: clock.advancedMs / 1_000,
    ...(endsAt !== undefined && {
      window: { isOpen: endsAt > clock.now(), endsAt: new Date(endsAt).toISOString() },
    }),
    ...(contact ? conversationOf({ tenant, tracking }, contact, limit) : { earlier: 0, data: [] }),
  };
}

const isFromCustomer = ({ owner, eventType }: HistoryRow) => owner === false && eventType === 'message';

function questions(query: URLSearchParams, usual: Readonly<Record<string, string>>) {
  const names = Object.keys(usual);
  const stray = [...query.keys()].find((name) => !names.includes(name));
  if (stray !== undefined) return `There is no query parameter ${stray}; there are ${names.join(', ')}`;
  return { ...usual, ...Object.fromEntries(query) };
}

function limitOf(given: string | undefined, max: number): number | string {
  const limit = Number(given);
  return Number.isInteger(limit) && limit >= 1 && limit <= max
    ? limit
    : `limit must be a whole number from 1 to ${max}`;
}
