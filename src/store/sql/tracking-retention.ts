import type { StoreOptions } from '../options.ts';
import { conversationStatements } from './conversation-statements.ts';
import type { Dialect, Step } from './engine.ts';
import { intakeStatements } from './intake-statements.ts';
import { pollStatements } from './poll-statements.ts';
import { dayOf, monthOf } from './polls.ts';

/** WATI stops repeating a webhook after a day. */
const DEDUPE_MS = 3 * 24 * 60 * 60_000;

/** Deletes old rows of webhooks, conversations and polls. What is known of a delivery is deleted with its message. */
export function expireTrackingSteps(
  dialect: Dialect,
  { intakeDedupeMs: dedupeMs = DEDUPE_MS, recordRetentionMs }: StoreOptions,
  { limit, wall }: { limit: number; wall: number },
): Step[] {
  const polls = pollStatements(dialect);
  return [
    { statement: intakeStatements(dialect).expire, values: { dedupeMs, limit } },
    { statement: conversationStatements(dialect).expire, values: { recordRetentionMs, limit } },
    { statement: polls.expireCalls, values: { month: monthOf(wall) } },
    { statement: polls.expireSpent, values: { day: dayOf(wall) } },
    { statement: polls.expirePolls, values: { limit } },
    { statement: polls.expireWatch, values: {} },
  ];
}
