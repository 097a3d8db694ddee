/** What a PromQL expression of ours speaks of; enough of the language for the files in ops/. */
export interface Spoken {
  /** Each selector with its label matchers. */
  selectors: { metric: string; matchers: { label: string; operator: string; value: string }[] }[];
  /** Labels of `by (...)` and its kin. */
  grouping: string[];
}

const words = new Set(
  'absent and avg by count delta group_left histogram_quantile ignoring increase max max_over_time min min_over_time on or rate sum unless without'.split(
    ' ',
  ),
);

export function readPromql(expr: string): Spoken {
  const grouping: string[] = [];
  const selectors: Spoken['selectors'] = [];
  const rest = expr.replace(/\b(?:by|without|on|ignoring)\s*\(([^)]*)\)/g, (_, labels: string) => {
    grouping.push(...labels.split(',').map((label) => label.trim()));
    return ' ';
  });
  const bare = rest.replace(/([A-Za-z_:][\w:]*)\s*\{([^}]*)\}/g, (_, metric: string, inner: string) => {
    const matchers = [...inner.matchAll(/(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"/g)];
    selectors.push({
      metric,
      matchers: matchers.map(([, label = '', operator = '', value = '']) => ({ label, operator, value })),
    });
    return ' ';
  });
  for (const [word] of bare.replace(/\[[^\]]*\]/g, ' ').matchAll(/[A-Za-z_:][\w:]*/g)) {
    if (!words.has(word)) selectors.push({ metric: word, matchers: [] });
  }
  return { selectors, grouping };
}

/** One metric of a scrape, with all its samples: `x_bucket` and its kin are of `x`. */
export interface Scraped {
  name: string;
  type: string;
  help: string;
  samples: { name: string; labels: Readonly<Record<string, string>>; value: number }[];
}

export function readScrape(text: string): Scraped[] {
  const all: Scraped[] = [];
  for (const line of text.split('\n')) {
    const [, help, about = ''] = /^# HELP (\w+) (.*)$/.exec(line) ?? [];
    if (help !== undefined) all.push({ name: help, type: '', help: about, samples: [] });
    const last = all.at(-1);
    if (!last) continue;
    const [, type] = /^# TYPE \w+ (\w+)$/.exec(line) ?? [];
    if (type !== undefined) last.type = type;
    const [, name, inner = '', value] = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? [];
    if (name === undefined) continue;
    const labels = Array.from(
      inner.matchAll(/(\w+)="([^"]*)"/g),
      ([, label = '', text = '']) => [label, text] as const,
    );
    last.samples.push({ name, labels: Object.fromEntries(labels), value: Number(value) });
  }
  return all;
}
