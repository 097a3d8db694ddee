import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { AttemptResult } from '../../src/upstream/attempt-result.ts';
import { classify, classifyBatch } from '../../src/upstream/classify-response.ts';
import type { HttpResult } from '../../src/upstream/types.ts';
import { asText, corpus, ours, spellings } from './answer-corpus.ts';

const answered = (text: string, status = 200): HttpResult => ({ kind: 'answered', status, headers: {}, text });

const word = (verdict: AttemptResult | undefined): string => {
  if (verdict?.outcome === 'rejected') return `rejected ${verdict.refusal}`;
  if (verdict?.outcome === 'not_sent') return `not_sent ${verdict.retryable ? 'heals' : 'stays'}`;
  return verdict?.outcome ?? 'nothing';
};

const kinds = {
  session: (answer: HttpResult) => classify(answer),
  template: (answer: HttpResult) => classifyBatch(answer, [ours])[0],
  csv: (answer: HttpResult) => classify(answer, { bulk: true }),
};

describe.each(spellings)('an answer %s', (_spelling, spell) => {
  it.each(corpus.map((each) => [each.name, each] as const))('that contains %s is classified as that', (_name, each) => {
    const answer = answered(spell(each.body), each.status);
    const { session, template = session, csv = template } = each;
    expect({
      session: word(kinds.session(answer)),
      template: word(kinds.template(answer)),
      csv: word(kinds.csv(answer)),
    }).toEqual({ session, template, csv });
  });
});

it('shows a corpus of 150 answers and more', () => {
  expect(corpus.length * spellings.length).toBeGreaterThan(150);
});

describe('of an answer to several', () => {
  const three = ['1', '2', '3'].map((n) => ({ phone: `1415555010${n}`, localMessageId: `id-${n}` }));
  const words = (body: object) => classifyBatch(answered(JSON.stringify({ result: true, ...body })), three).map(word);

  it('a list of numbers refuses exactly those numbers', () => {
    expect(words({ errors: { error: '', invalidWhatsappNumbers: ['14155550102'] } })).toEqual([
      'accepted',
      'rejected recipient',
      'accepted',
    ]);
  });

  it.each<[string, object]>([
    ['a parameter that is wrong for all', { errors: { invalidCustomParameters: ['name'] } }],
    ['an error of nobody', { errors: ['no'] }],
    ['an error under a name that is none of them', { errors: { '14155550199': ['no'] } }],
    ['a number of none of them', { errors: { invalidWhatsappNumbers: ['14155550199'] } }],
  ])('%s lets none count as accepted', (_name, body) => {
    expect(words(body)).toEqual(['unknown', 'unknown', 'unknown']);
  });

  it.each([
    ['5511987654322', '551187654322'],
    ['525512345678', '5215512345678'],
    ['5491112345678', '541112345678'],
  ])('%s is found as %s', (asked, answers) => {
    const receivers = [{ phone: asked, localMessageId: 'own' }, ...three];
    const body = {
      result: true,
      receivers: [{ waId: answers, errors: ['no'] }, ...three.map(({ phone }) => ({ waId: phone, errors: [] }))],
    };
    expect(classifyBatch(answered(JSON.stringify(body)), receivers).map(word)).toEqual([
      'rejected other',
      'accepted',
      'accepted',
      'accepted',
    ]);
  });

  it.each<[string, object]>([
    ['a map by number', { '14155550101': { errors: [] }, '14155550102': { errors: ['no'] }, '14155550103': {} }],
    [
      'a list with another name for the number',
      three.map(({ phone }, at) => ({ phone_number: phone, errors: at === 1 ? ['no'] : [] })),
    ],
  ])('each is told by its entry in %s', (_name, receivers) => {
    expect(words({ receivers })).toEqual(['accepted', 'rejected other', 'accepted']);
  });

  it('a sign of failure invalidates the success of the receiver whose entry contains it, or of all', () => {
    const entries = three.map(({ phone }, at) => ({ waId: phone, ...(at === 1 && { status: 'failed' }) }));
    expect(words({ receivers: entries })).toEqual(['accepted', 'unknown', 'accepted']);
    expect(words({ data: { failedCount: 1 } })).toEqual(['unknown', 'unknown', 'unknown']);
  });
});

describe('whatever is changed about answers', () => {
  const runs = 20_000;
  const noise = fc.dictionary(
    fc.constantFrom('id', 'link', 'contact', 'phone_number', 'model', 'parameteres', 'x'),
    fc.oneof(fc.string(), fc.integer(), fc.constant(null), fc.array(fc.string(), { maxLength: 2 })),
    { maxKeys: 3 },
  );
  const caseOf = (name: string, upper: readonly boolean[]) =>
    [...name].map((letter, at) => (upper[at % upper.length] ? letter.toUpperCase() : letter)).join('');
  const recase = (body: object, upper: readonly boolean[]) =>
    Object.fromEntries(Object.entries(body).map(([name, value]) => [caseOf(name, upper), value]));
  const yes = fc.constantFrom({ result: true }, { result: 'true' }, { ok: true, result: 'success' }, { success: true });
  const fault = fc.oneof(
    fc.constantFrom<unknown>(
      'no',
      'Ticket has been expired.',
      { code: 131026 },
      { description: 'x' },
      { message: 'y' },
      {},
    ),
    fc.string({ minLength: 1 }).filter((text) => text.trim() !== ''),
  );
  const refusal = fc.oneof(
    fc.constantFrom<object>({ result: false }, { ok: 'false' }, { success: false }, { result: 'failed' }),
    fc.constantFrom<object>({ validWhatsAppNumber: false }, { validWhatsAppNumber: 'False' }),
    fault.map((each) => ({ errors: [each] })),
    fault.map((each) => ({ errors: [[each]] })),
    fault.map((each) => ({ errors: { [ours.phone]: [each] } })),
    fault.map((each) => ({ errors: { field: [each] } })),
    fc.constantFrom<object>(
      { errors: { invalidWhatsappNumbers: [ours.phone] } },
      { errors: { invalidCustomParameters: ['name'] } },
      { invalidWhatsappNumbers: [{ waId: ours.phone }] },
      { error: 'no' },
      { error: { message: 'no' } },
      { message: 'Ticket has been expired.' },
      { info: "Can't find Contact" },
      { ticketStatus: 'CLOSED' },
    ),
  );

  it('an answer that contains a refusal is never accepted', () => {
    const upper = fc.array(fc.boolean(), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(yes, refusal, noise, upper, fc.boolean(), (said, no, more, letters, mark) => {
        const text = `${mark ? '\uFEFF' : ''}${JSON.stringify(recase({ ...more, ...said, ...no }, letters))}`;
        expect(kinds.session(answered(text)).outcome).not.toBe('accepted');
        expect(kinds.template(answered(text))?.outcome).not.toBe('accepted');
      }),
      { numRuns: runs },
    );
  });

  /** A refusal under names that no known answer has, anywhere in the answer. */
  const elsewhere = fc
    .record({
      leaf: fc.oneof(
        fc
          .tuple(
            fc.constantFrom(
              'errorMessage',
              'error_list',
              'failed',
              'failedReceivers',
              'FailureReason',
              'exceptionMessage',
            ),
            fc.constantFrom<unknown>('no', ['no'], [{ why: 'no' }], { why: 'no' }, 131026),
          )
          .map(([name, value]) => ({ [name]: value })),
        fc
          .tuple(
            fc.constantFrom('isSuccess', 'succeeded', 'success', 'ok', 'valid_whatsapp_number', 'isSent'),
            fc.constantFrom<unknown>(false, 'False', 0, 'no'),
          )
          .map(([name, value]) => ({ [name]: value })),
        fc
          .tuple(
            fc.constantFrom('status', 'statusString', 'state', 'ticket_status', 'deliveryStatus'),
            fc.constantFrom<unknown>('FAILED', 'error', 'Rejected', 'closed'),
          )
          .map(([name, value]) => ({ [name]: value })),
        fc
          .tuple(fc.constantFrom('code', 'statusCode'), fc.constantFrom<unknown>(400, '503', 131026))
          .map(([name, value]) => ({ [name]: value })),
        fc.constantFrom<object>({ message: 'Ticket has been expired.' }, { reason: 'insufficient credits' }),
      ),
      path: fc.array(fc.constantFrom('data', 'message', 'details', 'list', 'receivers'), { maxLength: 3 }),
    })
    .map(({ leaf, path }) =>
      path.reduceRight<object>(
        (inner, name) => ({ [name]: name === 'list' || name === 'receivers' ? [inner] : inner }),
        leaf,
      ),
    );

  it('a refusal in an unknown container is not accepted either', () => {
    fc.assert(
      fc.property(yes, elsewhere, noise, (said, no, more) => {
        const text = JSON.stringify({ ...more, ...no, ...said, ...('success' in no || 'ok' in no ? no : {}) });
        expect(kinds.session(answered(text)).outcome).not.toBe('accepted');
        expect(kinds.template(answered(text))?.outcome).not.toBe('accepted');
      }),
      { numRuns: runs },
    );
  });

  it('parts of an answer that repeat the request or the contact do not invalidate a success', () => {
    const echo = fc.dictionary(
      fc.constantFrom('error', 'status', 'isSuccess', 'failed', 'message', 'code'),
      fc.constantFrom<unknown>('FAILED', false, 404, 'Ticket has been expired.'),
    );
    fc.assert(
      fc.property(
        yes,
        echo,
        fc.constantFrom('contact', 'parameters', 'parameteres', 'model', 'template'),
        (said, more, name) => {
          const text = JSON.stringify({ ...said, [name]: name.startsWith('param') ? [more] : more });
          expect(kinds.session(answered(text)).outcome).toBe('accepted');
          expect(kinds.template(answered(text))?.outcome).toBe('accepted');
        },
      ),
      { numRuns: 1_000 },
    );
  });

  it('an answer that cannot be parsed is never rejected, and never accepted', () => {
    const broken = fc.oneof(
      fc.string(),
      fc
        .constantFrom(...corpus.map(({ body }) => asText(body)).filter((text) => text.length > 4))
        .chain((text) => fc.integer({ min: 1, max: text.length - 1 }).map((end) => text.slice(0, end))),
      fc.json().filter((text) => !text.trimStart().startsWith('{')),
    );
    fc.assert(
      fc.property(broken.filter(isUnreadable), fc.constantFrom(200, 201, 202, 299), (text, status) => {
        for (const kind of Object.values(kinds)) expect(kind(answered(text, status))?.outcome).toBe('unknown');
      }),
      { numRuns: runs },
    );
  });
});

function isUnreadable(text: string): boolean {
  try {
    const body: unknown = JSON.parse(text);
    return typeof body !== 'object' || body === null || Array.isArray(body);
  } catch {
    return true;
  }
}
