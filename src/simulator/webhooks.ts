import type { Agenda } from './agenda.ts';
import { createLanes } from './lanes.ts';
import type { WebhookBody } from './webhook-bodies.ts';
import { createWebhookLedger, type WebhookAttempt, type WebhookPost } from './webhook-ledger.ts';
import { createPoster } from './webhook-post.ts';
import { draw, firstSettings, type WebhookChange, type WebhookSettings } from './webhook-settings.ts';

/** What is told of one message at one moment, in the order in which WATI posts it. */
export interface Telling {
  /** The same in each run with the same sends: what is drawn depends on it and on the seed. */
  readonly name: string;
  /** Posts of one lane are never under way at the same time, so they arrive in the order of their times. */
  readonly lane: string;
  readonly recipient: string;
  /** When it is so, in the simulated time, ms. */
  readonly at: number;
  readonly bodies: readonly WebhookBody[];
  /** In the place of what is set: so often, and neither late nor lost. */
  readonly times?: number;
  readonly prompt?: boolean;
}

/** WATI's webhooks: one endpoint, with its failures in a row. */
export interface Webhooks {
  readonly settings: WebhookSettings;
  /** Where they go; without one, none is posted. */
  readonly url: string | undefined;
  readonly status: 'enabled' | 'disabled' | 'defective';
  readonly failuresInARow: number;
  /** Everything that was posted or would have been, oldest first, with how it was answered. */
  readonly posts: readonly WebhookPost[];
  /** Posts that were dropped, because too many waited. */
  readonly dropped: number;
  readonly waiting: number;
  /** The owner of the simulator alone says where they go. */
  pointTo(url: string | undefined): void;
  /** A string is what is wrong with it. */
  change(change: WebhookChange): string | undefined;
  /** A defective endpoint is posted to again; what was skipped stays so. */
  enable(): void;
  /** The number of the next message, for the names of what is told of it. */
  number(): number;
  /** Resolves when all of it was answered once. */
  tell(telling: Telling): Promise<void>;
  /** Resolves when nothing that is due is under way, or the patience is over. */
  settled(patienceMs: number): Promise<void>;
  /** As at the start, with nothing under way. */
  reset(): void;
}

export interface WebhooksOptions extends Partial<WebhookSettings> {
  readonly url?: string | undefined;
  /** How many may wait; what comes on top is dropped, and counted. */
  readonly waitingMax?: number;
  /** How many are told of; the oldest go first. */
  readonly keptMax?: number;
}

/** More failures in a row than this, and WATI takes the endpoint for defective. */
const failuresMax = 100;
const retriesMax = 144;
const connections = 32;
/** WATI's own is not published. */
const timeoutMs = 15_000;

interface Job {
  readonly post: WebhookPost;
  readonly lane: string;
  readonly answered: () => void;
}

interface Clockwork {
  readonly agenda: Agenda;
  readonly now: () => number;
}

export function createWebhooks({ agenda, now }: Clockwork, options: WebhooksOptions = {}): Webhooks {
  const { url: firstUrl, waitingMax = 100_000, keptMax = 50_000, ...given } = options;
  const poster = createPoster({ timeoutMs, connections });
  let life = newLife(firstUrl, firstSettings(given));

  /** All that a reset forgets. */
  function newLife(url: string | undefined, settings: WebhookSettings) {
    return {
      settings,
      configured: url,
      url,
      defective: false,
      failures: 0,
      ledger: createWebhookLedger(keptMax),
      dropped: 0,
      waiting: 0,
      messages: 0,
      lanes: createLanes<Job>(connections, run),
    };
  }

  const isOn = () => life.url !== undefined && life.settings.enabled && !life.defective;

  function finish(job: Job, state: WebhookPost['state']): void {
    job.post.state = state;
    life.waiting -= 1;
    job.answered();
  }

  /** One attempt. One of a former life changes nothing in this one. */
  async function run(job: Job): Promise<void> {
    const own = life;
    const attempt = isOn() && own.url !== undefined ? await attemptAt(new URL(own.url), job.post) : undefined;
    if (own === life) judge(job, attempt);
  }

  async function attemptAt(url: URL, post: WebhookPost): Promise<WebhookAttempt> {
    const at = now();
    try {
      return { at, status: await poster.post(url, JSON.stringify(post.body)) };
    } catch (error) {
      return { at, error: error instanceof Error ? error.message : String(error) };
    }
  }

  /** 200 and nothing else is an acknowledgement. */
  function judge(job: Job, attempt: WebhookAttempt | undefined): void {
    if (!attempt) {
      finish(job, 'skipped');
      return;
    }
    job.post.attempts.push(attempt);
    if (attempt.status === 200) {
      life.failures = 0;
      finish(job, 'acknowledged');
      return;
    }
    life.failures += 1;
    if (life.failures > failuresMax) life.defective = true;
    job.answered();
    if (job.post.attempts.length > retriesMax) finish(job, 'abandoned');
    else agenda.at(now() + life.settings.retrySeconds * 1_000, () => life.lanes.add(job.lane, job));
  }

  function enqueue(telling: Telling, body: WebhookBody, name: string, answered: () => void): void {
    const { disorderMs, lateMs, lossRatio, seed } = life.settings;
    const drawn = (of: string, most: number) => (most > 0 && !telling.prompt ? draw(seed, `${name}:${of}`) * most : 0);
    const due = telling.at + (telling.prompt ? 0 : lateMs) + Math.floor(drawn('disorder', disorderMs));
    const opened = (state: WebhookPost['state']) =>
      life.ledger.open({ due, body, recipient: telling.recipient, state });
    if (lossRatio > 0 && !telling.prompt && draw(seed, `${name}:loss`) < lossRatio) {
      opened('lost');
      answered();
    } else if (life.waiting >= waitingMax) {
      life.dropped += 1;
      answered();
    } else {
      life.waiting += 1;
      const job = { post: opened('waiting'), lane: telling.lane, answered };
      agenda.at(due, () => life.lanes.add(job.lane, job));
    }
  }

  return {
    get settings() {
      return life.settings;
    },
    get url() {
      return life.url;
    },
    get status() {
      if (life.defective) return 'defective';
      return isOn() ? 'enabled' : 'disabled';
    },
    get failuresInARow() {
      return life.failures;
    },
    get posts() {
      return life.ledger.posts;
    },
    get dropped() {
      return life.dropped;
    },
    get waiting() {
      return life.waiting;
    },
    pointTo(url) {
      life.configured = url;
      life.url = url;
    },
    change({ url, seed, ...change }) {
      const wrong = url === undefined ? undefined : faultOfUrl(url, life.configured);
      if (wrong !== undefined) return wrong;
      if (url !== undefined) life.url = url;
      if (seed !== undefined) life.messages = 0;
      life.settings = { ...life.settings, ...change, ...(seed === undefined ? {} : { seed: String(seed) }) };
      return undefined;
    },
    enable() {
      life.defective = false;
      life.failures = 0;
      life.settings = { ...life.settings, enabled: true };
    },
    number() {
      life.messages += 1;
      return life.messages;
    },
    async tell(telling) {
      if (!isOn()) return;
      const times = telling.times ?? 1 + life.settings.duplicates;
      const answers: Promise<void>[] = [];
      for (let time = 0; time < times; time += 1) {
        for (const body of telling.bodies) {
          const answer = Promise.withResolvers<void>();
          enqueue(telling, body, `${telling.name}:${body.eventType}:${time}`, answer.resolve);
          answers.push(answer.promise);
        }
      }
      await Promise.all(answers);
    },
    settled: (patienceMs) => life.lanes.idle(patienceMs),
    reset() {
      life = newLife(life.configured, firstSettings(given));
      poster.abort();
    },
  };
}

/** Nobody who can reach the sandbox may have it post to where its owner did not say. */
function faultOfUrl(url: string, configured: string | undefined): string | undefined {
  if (configured === undefined) return 'No intake is configured, so there is nowhere to post to';
  const { origin } = new URL(configured);
  return URL.canParse(url) && new URL(url).origin === origin && !/[@#]/.test(url)
    ? undefined
    : `url must be at the intake that is configured, ${origin}`;
}
