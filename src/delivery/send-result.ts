import type { ActiveDelivery } from './dispatch/types.ts';
import type { SendResult } from './types.ts';

export const toResult = ({ stored, pendingWrite }: ActiveDelivery): SendResult => ({
  stored: { ...stored },
  ...(pendingWrite !== undefined && { pendingWrite: true }),
});

/** The state of the message when it is final, or when the client has waited long enough. */
export async function waitForOutcome(
  ms: number,
  run: Promise<ActiveDelivery>,
  delivery: ActiveDelivery,
): Promise<SendResult> {
  let timer: NodeJS.Timeout | undefined;
  const over = new Promise<ActiveDelivery>((resolve) => {
    timer = setTimeout(resolve, ms, delivery);
  });
  try {
    return toResult(await Promise.race([run, over]));
  } finally {
    clearTimeout(timer);
  }
}
