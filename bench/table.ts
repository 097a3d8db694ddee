import { middle, type Round, ratio } from './load.ts';

/** Columns as wide as their widest cell; the first to the left, figures to the right. */
function table(rows: string[][]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const line = (row: string[]) =>
    row
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join('  ');
  return rows.map(line).join('\n');
}

const fixed = (value: number, digits = 0) => (Number.isFinite(value) ? value.toFixed(digits) : '-');

/** One page size: a row a peer, ratios against the first. */
export function peersTable(results: [name: string, rounds: Round[]][]): string {
  const base = results[0]?.[1] ?? [];
  const head = ['', 'req/s', 'p50 ms', 'p99 ms', 'CPU µs/req', 'core %', 'RSS MB', 'req/s : relay', 'CPU : relay'];
  const rows = results.map(([name, rounds]) => {
    const round = middle(rounds);
    return [
      name,
      fixed(round.perSecond),
      fixed(round.p50Ms, 2),
      fixed(round.p99Ms, 2),
      fixed(round.cpuUs, 1),
      fixed(round.busy * 100),
      fixed(round.rssMb),
      fixed(ratio(rounds, base, 'perSecond'), 2),
      fixed(ratio(rounds, base, 'cpuUs'), 2),
    ];
  });
  return table([head, ...rows]);
}

export interface Goal {
  what: string;
  value: number;
  limit: number;
  /** The value must reach the limit instead of staying under it. */
  atLeast?: boolean;
  unit: string;
}

export const goalsTable = (goals: Goal[]): string =>
  table(
    goals.map(({ what, value, limit, atLeast = false, unit }) => {
      const met = atLeast ? value >= limit : value <= limit;
      const digits = unit === 'x' || unit.endsWith('/min') ? 2 : 0;
      return [
        what,
        `${fixed(value, digits)} ${unit}`,
        `goal ${atLeast ? '>=' : '<='} ${limit} ${unit}`,
        Number.isFinite(value) ? (met ? 'met' : 'MISSED') : 'not measured',
      ];
    }),
  );
