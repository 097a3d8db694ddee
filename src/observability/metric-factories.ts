import { Counter, Gauge, type Registry } from '@prometheus-io/client';
import { withTimeout } from '../lib/with-timeout.ts';

export type Sample = readonly [labels: Readonly<Record<string, string>>, value: number];
type Read = () => Sample[] | Promise<Sample[]>;

interface MetricWords {
  /** Without the prefix. */
  name: string;
  help: string;
  labels?: string[];
}

/** Creates the service's metrics that are read at each scrape. */
export function metricFactories(registry: Registry) {
  const optionsOf = ({ name, help, labels = [] }: MetricWords) => ({
    name: `wati_bff_${name}`,
    help,
    labelNames: labels,
    registers: [registry],
  });
  return {
    gauge: (words: MetricWords, read: Read) =>
      new Gauge({
        ...optionsOf(words),
        async collect() {
          const samples = await read();
          this.reset();
          for (const [labels, value] of samples) this.set(labels, value);
        },
      }),
    counter: (words: MetricWords, read: Read) =>
      new Counter({
        ...optionsOf(words),
        async collect() {
          const samples = await read();
          this.reset();
          for (const [labels, value] of samples) this.inc(labels, value);
        },
      }),
  };
}

/** Prometheus times out scrapes. A value that takes longer than this is reported by the next scrape. */
const scrapeTimeoutMs = 1_000;

/**
 * Runs `ask` at most once at a time, and not again for `restMs`. Returns undefined if the last run failed, or none has ended
 * yet. Never throws.
 */
export function cachedWithTimeout<T>(ask: () => Promise<T>, restMs: number): () => Promise<T | undefined> {
  let known: T | undefined;
  let restUntil = 0;
  let asking: Promise<void> | undefined;
  return async () => {
    if (!asking && performance.now() < restUntil) return known;
    asking ??= ask()
      .then(
        (value) => {
          known = value;
        },
        () => {
          known = undefined;
        },
      )
      .finally(() => {
        asking = undefined;
        restUntil = performance.now() + restMs;
      });
    await withTimeout(asking, scrapeTimeoutMs, () => {});
    return known;
  };
}
