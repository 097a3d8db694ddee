import { describe } from 'vitest';
import { once } from './outcomes.ts';
import { describeOutcomes, describeSides, problem } from './read-outcomes.ts';
import { get, list, preview } from './templates-subjects.ts';

describe('outcomes of', () => {
  describeOutcomes([list, get], {
    again: [list],
    more: [['result:false', once({ body: { result: false, info: 'no' } }), problem(422, 'upstream-rejected', 200, 1)]],
  });
  describeSides([list, get, preview]);
});
