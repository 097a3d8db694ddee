import { withTimeout } from '../lib/with-timeout.ts';
import type { ActiveDelivery } from './dispatch/upstream-request.ts';
import type { SendResult } from './types.ts';

export const toResult = ({ stored, pendingWrite }: ActiveDelivery): SendResult => ({
  stored: { ...stored },
  ...(pendingWrite !== undefined && { pendingWrite: true }),
});

/** Resolves with the message when its state is final, or after `ms`; the delivery then continues in the background. */
export function waitForOutcome(
  ms: number,
  run: Promise<ActiveDelivery>,
  delivery: ActiveDelivery,
): Promise<SendResult> {
  return withTimeout(run, ms, () => delivery).then(toResult);
}
