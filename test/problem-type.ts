import { expect } from 'vitest';
import type { ProblemSlug } from '../src/problem-types.ts';

/** The `type` of a problem, as a link to the service that was asked. */
export const problem = (slug: ProblemSlug): unknown =>
  expect.stringMatching(new RegExp(`^http://127\\.0\\.0\\.1(:\\d+)?/problems/${slug}$`));
