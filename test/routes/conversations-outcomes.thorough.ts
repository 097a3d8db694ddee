import { describe } from 'vitest';
import { history, operator, status } from './conversations-subjects.ts';
import { once } from './outcomes.ts';
import { describeOutcomes, describeSides, problem, type Row, success } from './read-outcomes.ts';

describe('outcomes of', () => {
  const absent = { body: { result: false, info: "Can't find Contact" }, process: false };
  const refused = { body: { result: false, info: 'no' }, process: false };
  const both: Row[] = [
    ["Can't find Contact", once(absent), problem(404, 'not-found')],
    ["Can't find Contact with a 400", once({ ...absent, status: 400 }), problem(404, 'not-found', 400)],
    ['another refusal', once(refused), problem(422, 'upstream-rejected')],
  ];
  describeOutcomes([history], {
    more: [
      ...both,
      ['rows at the top', once({ body: { items: [] } }), success()],
      ['rows without a result', once({ body: { messages: { items: [] } } }), success()],
    ],
  });
  describeOutcomes([operator, status], {
    more: [
      ...both,
      ...[{ result: true }, { result: 'success' }, { result: 'true' }, { ok: true }].map(
        (body): Row => [JSON.stringify(body), once({ body }), success()],
      ),
      ['yes and no', once({ body: { result: true, ok: false } }), problem(502, 'upstream-invalid', 200, 1)],
    ],
  });
  describeSides([history, operator, status]);
});
