import { describe, it } from 'vitest';
import { startService } from '../support/service.ts';
import { create, get, list, remove } from './connections-subjects.ts';
import { once } from './outcomes.ts';
import { check, describeOutcomes, problem, type Row, success } from './read-outcomes.ts';

describe('outcomes of', () => {
  const key: Row[] = [401, 403].map((status) => [
    `${status}`,
    once({ status, body: { message: 'no' } }),
    problem(502, 'upstream-unauthorized', status),
  ]);
  const bad: Row = ['400', once({ status: 400, body: { message: 'no' } }), problem(422, 'upstream-rejected', 400)];
  // Of a 404 our own words say all.
  const unknown: Row = ['unknown', once({ status: 404 }), { ...problem(404, 'not-found'), status: 404 }];
  const less = /^(404)$/;
  describeOutcomes([list, get], { more: [...key, bad, unknown], less });
  describeOutcomes([create], { more: [...key, bad, unknown], less });
  describeOutcomes([remove], {
    more: [
      ...key,
      bad,
      unknown,
      ...['', '{}', 'null', '{"connection":{}}'].map((body): Row => [`success ${body}`, once({ body }), success()]),
      ['204', once({ status: 204, process: true }), success()],
      ['202', once({ status: 202, process: true }), success()],
      ['a page of the edge', once({ body: '<html>' }), problem(502, 'upstream-invalid', 200, 1)],
    ],
    // What a deletion answers is not documented; here it has two bytes, which do not drip for long.
    less: /^404$|^200 with|drips/,
  });

  it.concurrent.each([list, get, create, remove])('$name when nobody listens there', async (subject) => {
    const service = await startService({ settings: { MATON_CONTROL_URL: 'http://127.0.0.1:9' } });
    const requests = { requests: 0, processed: 0 };
    await check(service, subject, () => {}, {
      status: 503,
      slug: 'upstream-unavailable',
      retryable: true,
      retryAfter: '2',
      ...requests,
    });
    await service.close();
  });
});
