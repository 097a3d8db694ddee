import type { Scripted } from '../../src/simulator/faults.ts';
import { type Arrange, always, htmlPage, once, type Seen } from './outcomes.ts';

/** `streamed`: where a body that can be sent once only makes a difference. */
type Row = [name: string, arrange: Arrange, expected: Seen, streamed?: Seen];

const accepted = (requests = 1): Seen => ({ status: 201, is: 'accepted', requests, processed: 1 });
const unknown = (processed: 0 | 1): Seen => ({ status: 202, is: 'unknown', requests: 1, processed });
const rejected = (status: number, slug: string, upstreamStatus = 200): Seen => ({
  status,
  slug,
  outcome: 'rejected',
  retryable: false,
  upstreamStatus,
  requests: 1,
  processed: 0,
});
const notSent = (requests: number, retryAfter: string, upstreamStatus?: number): Seen => ({
  status: 503,
  slug: 'upstream-unavailable',
  outcome: 'not_sent',
  retryable: true,
  retryAfter,
  requests,
  processed: 0,
  ...(upstreamStatus !== undefined && { upstreamStatus }),
});

/** WATI says yes in these words, and did it. */
const said = (body: unknown): Scripted => ({ status: 200, body });
/** WATI says no in these words, and did nothing. */
const refusedWith = (body: unknown): Scripted => ({ status: 200, body, process: false });
const elsewhere = { location: 'https://evil.example/api/v1/again' };

const lost: Row[] = [
  ['the gateway refuses connections', (simulator) => simulator.stopGateway(), notSent(0, '2')],
  ['reset, not processed', once({ fault: 'reset-before' }), unknown(0)],
  ['reset, processed', once({ fault: 'reset-after' }), unknown(1)],
  ['closed without an answer, processed', once({ fault: 'close-after' }), unknown(1)],
  ['a truncated answer', once({ fault: 'truncate' }), unknown(1)],
];

/** The deadline passes: these want a service with a short one. */
export const lateSendOutcomes: Row[] = [
  ['no answer, not processed', once({ fault: 'hang' }), unknown(0)],
  ['no answer, processed', once({ fault: 'hang-processed' }), unknown(1)],
  ['an answer after the deadline', once({ fault: 'late' }), unknown(1)],
  ['an answer that drips past the deadline', once({ fault: 'drip' }), unknown(1)],
];

const strange: Row[] = [
  ['500 with HTML', once({ status: 500, body: htmlPage }), unknown(0)],
  ['500 after it was processed', once({ status: 500, body: htmlPage, process: true }), unknown(1)],
  ...[502, 503, 504, 520].map((status): Row => [`${status}`, once({ status, body: htmlPage }), unknown(0)]),
  ['503 with Retry-After', once({ status: 503, headers: { 'retry-after': '0' } }), unknown(0)],
  ['408', once({ status: 408 }), unknown(0)],
  ['418, a status that nobody knows', once({ status: 418 }), unknown(0)],
  ['200 with HTML', once(said(htmlPage)), unknown(1)],
  ['200 with cut JSON', once(said('{"result":true,"mess')), unknown(1)],
  ['200 without a body', once(said('')), unknown(1)],
  ['204', once({ status: 204, process: true }), unknown(1)],
  ...[{}, { hello: 1 }, [], [true], null, 'true', '"success"', { result: null }, { result: 1 }].map(
    (body): Row => [`200 with ${JSON.stringify(body)}`, once(said(body)), unknown(1)],
  ),
  ['ok and not ok at once', once(said({ ok: true, result: false })), unknown(1)],
  ['a result and an error at once', once(said({ result: true, error: 'no credit' })), unknown(1)],
  ...[301, 302, 303].map((status): Row => [`${status}`, once({ status, headers: elsewhere }), unknown(0)]),
];

const success: Row[] = [
  ...[
    { result: true },
    { result: 'success' },
    { result: 'true' },
    { result: 'Success' },
    { ok: true },
    { success: true },
    { ok: true, result: true, error: null },
    { result: true, message: 'queued' },
    { result: true, message: { whatsappMessageId: 'wamid.x' } },
  ].map((body): Row => [`200 with ${JSON.stringify(body)}`, once(said(body)), accepted()]),
  [
    'JSON labelled text/plain',
    (simulator) => {
      simulator.tenant.settings.contentType = 'text/plain; charset=utf-8';
    },
    accepted(),
  ],
  [
    'a tenant of few words',
    (simulator) => {
      simulator.tenant.settings.bareResults = true;
    },
    accepted(),
  ],
];

const closed = { result: false, message: 'Ticket has been expired.', ticketStatus: 'CLOSED' };
const badTemplate = 'Check your template, it cannot have typos or blank text';

const refusals: Row[] = [
  ...[300, 307, 308].map(
    (status): Row => [`${status}`, once({ status, headers: elsewhere }), rejected(502, 'upstream-invalid', status)],
  ),
  [
    '400 of WATI',
    once({ status: 400, body: { items: [{ code: 'a', description: 'b' }] } }),
    rejected(422, 'upstream-rejected', 400),
  ],
  ['404', once({ status: 404 }), rejected(422, 'recipient-invalid', 404)],
  ...[405, 406, 409, 410, 411, 413, 414, 415, 417, 422, 431, 501, 505].map(
    (status): Row => [`${status}`, once({ status }), rejected(422, 'upstream-rejected', status)],
  ),
  [
    'a refusal whose body is cut',
    once({ status: 422, body: { message: 'no' }, fault: 'truncate' }),
    rejected(422, 'upstream-rejected', 422),
  ],
  ['result:false', once(refusedWith({ result: false })), rejected(422, 'upstream-rejected')],
  ['result:"false"', once(refusedWith({ result: 'false' })), rejected(422, 'upstream-rejected')],
  [
    'an error text for a result',
    once(refusedWith({ result: 'insufficient credits' })),
    rejected(422, 'upstream-rejected'),
  ],
  ['ok:false', once(refusedWith({ ok: false, info: 'no' })), rejected(422, 'upstream-rejected')],
  ['a message in words', once(refusedWith({ result: false, message: 'no' })), rejected(422, 'upstream-rejected')],
  [
    'a message as an object',
    once(refusedWith({ result: false, message: { text: 'x' } })),
    rejected(422, 'upstream-rejected'),
  ],
  ['the closed window', once(refusedWith(closed)), rejected(409, 'session-window-closed')],
  [
    'any ticketStatus',
    once(refusedWith({ result: false, ticketStatus: 'SOLVED' })),
    rejected(409, 'session-window-closed'),
  ],
  [
    "Can't find Contact",
    once(refusedWith({ result: false, info: "Can't find Contact" })),
    rejected(422, 'recipient-invalid'),
  ],
  [
    'a yes to a number without WhatsApp',
    once(refusedWith({ result: true, validWhatsAppNumber: false })),
    rejected(422, 'recipient-invalid'),
  ],
  [
    'a no to a number without WhatsApp',
    once(refusedWith({ result: false, validWhatsAppNumber: false })),
    rejected(422, 'recipient-invalid'),
  ],
  [
    'refused parameters',
    once(refusedWith({ result: false, info: badTemplate })),
    rejected(422, 'template-parameters-invalid'),
  ],
  [
    'refused parameters as a 400',
    once({ status: 400, body: { message: badTemplate } }),
    rejected(422, 'template-parameters-invalid', 400),
  ],
  [
    'an unknown template',
    once(refusedWith({ result: false, error: 'Template x not found' })),
    rejected(422, 'template-unknown'),
  ],
];

const limits: Row[] = [
  ...[421, 425, 429].flatMap((status): Row[] => [
    [`${status} once`, once({ status }), accepted(2), notSent(1, '2', status)],
    [
      `${status} always`,
      always({ status, headers: { 'retry-after': '0' } }),
      notSent(3, '1', status),
      notSent(1, '1', status),
    ],
  ]),
  ['429 always, without Retry-After', always({ status: 429 }), notSent(3, '2', 429), notSent(1, '2', 429)],
  [
    '429 once, with Retry-After',
    once({ status: 429, headers: { 'retry-after': '1' } }),
    accepted(2),
    notSent(1, '1', 429),
  ],
  [
    '429 that asks for more time than there is',
    always({ status: 429, headers: { 'retry-after': '30' } }),
    notSent(1, '30', 429),
  ],
  ['429 that asks for an hour', always({ status: 429, headers: { 'retry-after': '3600' } }), notSent(1, '60', 429)],
  [
    '429 with a Retry-After that is none',
    once({ status: 429, headers: { 'retry-after': 'soon' } }),
    accepted(2),
    notSent(1, '2', 429),
  ],
];

/** What docs/reference/delivery.md says of failures and statuses: every sending route answers each of them the same way. */
export const sendOutcomes: Row[] = [...lost, ...strange, ...success, ...refusals, ...limits];

/** By the last four digits of the recipient, in the sandbox. */
export const magicRecipients: [digits: string, expected: Seen, streamed?: Seen][] = [
  ['0000', accepted()],
  // Bytes go out before the simulated gateway hangs up.
  ['0101', unknown(0)],
  ['0103', notSent(3, '2', 421), notSent(1, '2', 421)],
  ['0201', unknown(0)],
  ['0202', unknown(1)],
  ['0409', rejected(409, 'session-window-closed')],
  ['0422', rejected(422, 'upstream-rejected')],
  ['0423', rejected(422, 'recipient-invalid')],
  ['0424', rejected(422, 'recipient-opted-out')],
  ['0429', accepted(2), notSent(1, '1', 429)],
  ['0500', unknown(0)],
  ['0502', unknown(0)],
  ['0600', unknown(1)],
  ['0601', unknown(1)],
];

/** The same for those that are not answered, or too late. */
export const lateMagicRecipients: typeof magicRecipients = [
  ['0301', unknown(0)],
  ['0302', unknown(1)],
];

/** WATI answers a CSV for no single row: what becomes of this one shows in its history alone. */
export const csvKnowsNotOf: Record<string, Seen> = {
  '0409': accepted(),
  '0422': accepted(),
  '0423': accepted(),
  '0424': accepted(),
};
