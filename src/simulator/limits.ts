export interface SlidingWindow {
  /** Takes one place at `at` (monotonic ms). Returns false without taking one if the limit is reached. */
  take(at: number): boolean;
  clear(): void;
}

/** No period of `spanMs` ever contains more than `max` calls; a token bucket would allow twice as many across its edge. */
export function slidingWindow(max: number, spanMs: number): SlidingWindow {
  let taken: number[] = [];
  return {
    take(at) {
      if (max === Number.POSITIVE_INFINITY) return true;
      taken = taken.filter((then) => then > at - spanMs);
      if (taken.length >= max) return false;
      taken.push(at);
      return true;
    },
    clear() {
      taken = [];
    },
  };
}

export type Plan = 'none' | 'growth' | 'pro' | 'business';

const templateRates: Readonly<Record<Exclude<Plan, 'none'>, number>> = { growth: 30, pro: 60, business: 100 };

/** WATI's own limits per 10 s (docs/reference/upstream.md, "WATI's own limits"), per group of calls. */
export interface PlanWindows {
  take(plan: Plan, operation: string, at: number): boolean;
  clear(): void;
}

export function planWindows(): PlanWindows {
  const windows = new Map<string, SlidingWindow>();
  return {
    take(plan, operation, at) {
      const max = plan === 'none' ? undefined : planRate(plan, operation);
      if (max === undefined) return true;
      const name = `${plan} ${operation.replace(/V[12]$/, '')}`;
      const window = windows.get(name) ?? slidingWindow(max, 10_000);
      windows.set(name, window);
      return window.take(at);
    },
    clear() {
      windows.clear();
    },
  };
}

function planRate(plan: Exclude<Plan, 'none'>, operation: string): number | undefined {
  if (/^sendTemplateMessages?V[12]$/.test(operation)) return templateRates[plan];
  return ['addContact', 'getContacts', 'getMessages'].includes(operation) ? 10 : undefined;
}
