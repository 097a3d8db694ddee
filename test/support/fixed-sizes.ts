import { type BatchSizes, createBatchSizes } from '../../src/delivery/dispatch/batch-sizes.ts';

/** Sizes of batches that never change. */
export const fixedSizes = (max: { urgent: number; interactive: number; broadcast: number }): BatchSizes => {
  const fixed = (start: number) => ({ start, max: start });
  const bounds = {
    urgent: fixed(max.urgent),
    interactive: fixed(max.interactive),
    broadcast: fixed(max.broadcast),
  };
  return createBatchSizes({ bounds, slowMs: Number.POSITIVE_INFINITY });
};
