import type { Static } from 'typebox';
import type { EnvSchema } from './env-schema.ts';

/** Messages in one call: at first, and at most. */
interface SizeBounds {
  readonly start: number;
  readonly max: number;
}

/** By priority class. */
export type BatchBounds = Readonly<Record<'urgent' | 'interactive' | 'broadcast', SizeBounds>>;

type Settings = Pick<
  Static<typeof EnvSchema>,
  'GROUP_MAX_URGENT' | 'GROUP_MAX_INTERACTIVE' | 'GROUP_MAX_BROADCAST' | 'GROUP_GROWS_TO'
>;

const GROWS_TO = 1_000;

/** A size that an operator has set keeps a lost answer as cheap as it says, so it grows only if that is set as well. */
export function readBatchBounds(env: Settings, isSet: (name: keyof Settings) => boolean): BatchBounds {
  const bounds = (name: keyof Settings, start: number): SizeBounds => {
    const max = env.GROUP_GROWS_TO ?? (isSet(name) ? start : GROWS_TO);
    return { start: Math.min(start, max), max };
  };
  return {
    urgent: bounds('GROUP_MAX_URGENT', env.GROUP_MAX_URGENT),
    interactive: bounds('GROUP_MAX_INTERACTIVE', env.GROUP_MAX_INTERACTIVE),
    broadcast: bounds('GROUP_MAX_BROADCAST', env.GROUP_MAX_BROADCAST),
  };
}
