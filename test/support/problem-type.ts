import { expect } from 'vitest';
import type { ProblemSlug } from '../../src/problem-types.ts';

/** The `type` of a problem, as a link to the service that was asked. */
export const problem = (slug: ProblemSlug): unknown =>
  expect.stringMatching(new RegExp(`^http://127\\.0\\.0\\.1(:\\d+)?/problems/${slug}$`));

/** An answer without the one place where a problem names the address that was asked. */
export const withoutType = (text: string): string => text.replace(/"type":"http[^"]*",/, '');
