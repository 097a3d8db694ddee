import { messageProblems } from './problem-types/message-problems.ts';
import { requestProblems } from './problem-types/request-problems.ts';
import { serviceProblems } from './problem-types/service-problems.ts';
import { webhookProblems } from './problem-types/webhook-problems.ts';

/** Every problem type of the API (RFC 9457). The key is the last part of `type`: `/problems/<slug>`. */
export const problemTypes = { ...requestProblems, ...messageProblems, ...webhookProblems, ...serviceProblems } as const;

export type ProblemSlug = keyof typeof problemTypes;
