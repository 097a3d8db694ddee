import type { ReservationStore } from '../store/coordination-store.ts';
import type { Plan } from './types.ts';
import type { SetTimer } from './wake-timer.ts';

export interface RateLimiterOptions {
  /** MATON_RATE_PER_SECOND; 100,000 and more means no limit. */
  perSecond: number;
  plan: Plan;
  /** Absent: no other process uses the account. */
  reservations?: ReservationStore;
  /** Steady milliseconds. */
  clock?: () => number;
  setTimer?: SetTimer;
}
