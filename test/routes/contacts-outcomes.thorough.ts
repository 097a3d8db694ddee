import { describe } from 'vitest';
import { get, list, patch, put } from './contacts-subjects.ts';
import { once } from './outcomes.ts';
import { describeOutcomes, describeSides, problem, success } from './read-outcomes.ts';

describe('outcomes of', () => {
  describeOutcomes([list, get], { again: [list] });
  describeSides([list, get, put, patch]);
  const refused = { body: { result: false, info: 'no credit' }, process: false };
  const absent = { body: { result: false, info: "Can't find Contact" }, process: false };
  describeOutcomes([put, patch], {
    more: [
      ...[{ result: true }, { result: 'success' }, { result: 'true' }, { ok: true }].map(
        (body): [string, ReturnType<typeof once>, ReturnType<typeof success>] => [
          JSON.stringify(body),
          once({ body }),
          success(),
        ],
      ),
      ['a refusal', once(refused), problem(422, 'upstream-rejected')],
      ["Can't find Contact", once(absent), problem(404, 'not-found')],
      ['yes and no', once({ body: { ok: true, result: false } }), problem(502, 'upstream-invalid', 200, 1)],
    ],
  });
});
