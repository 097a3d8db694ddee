import { Registry } from '@prometheus-io/client';
import { expect, it, vi } from 'vitest';
import { type GaugeSources, registerGauges } from '../../src/observability/gauges.ts';
import { openStore } from '../../src/store/open.ts';
import { OPTIONS } from '../store/samples.ts';
import { startService } from '../support/service.ts';
import { standingClock } from '../support/standing-clock.ts';
import { readScrape } from './promql.ts';

const fine: GaugeSources = {
  version: '1',
  uploads: { open: 2, bytes: 3 },
  ready: async () => ({
    status: 'ready',
    store: 'writable',
    gateway: 'reachable',
    key: 'accepted',
    connection: 'active',
  }),
  sends: async () => ({ unknown: 1 }),
  sendsRestMs: 0,
  broadcasts: async () => ({ scheduled: 0, running: 1, held: 0 }),
  batchSizes: { reading: () => [] },
  dayQuota: () => ({ used: 1, limit: 0 }),
  held: async () => ({ 'caller-removed': 0 }),
  stopped: () => ({ all: false, callers: [], connections: [] }),
};
const scraping = (standing: Partial<GaugeSources>) => {
  const registry = new Registry();
  registerGauges(registry, { ...fine, ...standing });
  return async (metric: string) =>
    readScrape(await registry.metrics())
      .find(({ name }) => name === `wati_bff_${metric}`)
      ?.samples.map(({ value }) => value);
};

it('leaves out values that the store cannot read, and reports them again later', async () => {
  let works = false;
  const scrape = scraping({
    sends: async () => {
      if (!works) throw new Error('no store');
      return { unknown: 1 };
    },
  });
  expect(await scrape('recorded_sends')).toEqual([]);
  expect(await scrape('uploads_open')).toEqual([2]);
  works = true;
  expect(await scrape('recorded_sends')).toEqual([1]);
});

it('reports a faulty callers file, and the age of the version in force', async () => {
  let valid = true;
  let now = 5_000;
  const scrape = scraping({ callersFile: () => ({ valid, sinceMs: 3_000 }), now: () => now });
  expect([await scrape('callers_file_valid'), await scrape('callers_file_age_seconds')]).toEqual([[1], [2]]);
  valid = false;
  now = 63_000;
  expect([await scrape('callers_file_valid'), await scrape('callers_file_age_seconds')]).toEqual([[0], [60]]);
  // A clock that is set back makes nothing younger than new.
  now = 1_000;
  expect(await scrape('callers_file_age_seconds')).toEqual([0]);
});

it('does not wait for a store that hangs, and asks it only once', async () => {
  let asked = 0;
  const scrape = scraping({
    sends: () => {
      asked += 1;
      return new Promise(() => {});
    },
  });
  expect(await scrape('recorded_sends')).toEqual([]);
  expect(await scrape('recorded_sends')).toEqual([]);
  expect(asked).toBe(1);
});

it('counts the records no more often than the store can bear', async () => {
  const clock = standingClock();
  let asked = 0;
  const scrape = scraping({
    sendsRestMs: 300,
    sends: async () => {
      asked += 1;
      return { unknown: asked };
    },
  });
  for (let scrapes = 0; scrapes < 3; scrapes++) expect(await scrape('recorded_sends')).toEqual([1]);
  clock.pass(300);
  expect(await scrape('recorded_sends')).toEqual([2]);
  vi.restoreAllMocks();
});

it('leaves out values that readiness does not know', async () => {
  const unknown = { status: 'draining', store: 'failing', gateway: 'unreachable' } as const;
  const scrape = scraping({ ready: async () => ({ ...unknown, key: 'unknown', connection: 'unknown' }) });
  expect(await scrape('ready')).toEqual([0]);
  expect(await scrape('dependency_up')).toEqual([0, 0]);
});

it('measures the duration of database operations, and counts failed ones', async () => {
  const uses: [string, boolean][] = [];
  const store = await openStore('memory:', {
    ...OPTIONS,
    onQuery: (kind, seconds, failed) => {
      expect(seconds).toBeGreaterThan(0);
      uses.push([kind, failed]);
    },
  });
  await store.find('caller', 'id');
  await store.check();
  await store.reservePermit(1);
  await store.close();
  await expect(store.check()).rejects.toThrow();
  expect(uses).toEqual([
    ['read', false],
    ['write', false],
    ['slot', false],
    ['write', true],
  ]);
});

it('reports that the key is refused', async () => {
  const service = await startService();
  service.simulator.tenant.settings.matonKey = 'revoked';
  const { text } = await service.ask('GET', '/metrics');
  await service.close();
  expect(text.split('\n')).toContain('wati_bff_dependency_up{dependency="key"} 0');
  expect(text.split('\n')).toContain('wati_bff_ready 0');
});
