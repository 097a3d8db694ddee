import type { Agenda } from './agenda.ts';
import { createLanes, type Lanes } from './lanes.ts';
import type { Telling, WebhookBody } from './webhook-bodies.ts';
import { createWebhookLedger, type WebhookAttempt, type WebhookLedger, type WebhookPost } from './webhook-ledger.ts';
import { createPoster } from './webhook-post.ts';
import { draw, faultOfUrl, firstSettings, type WebhookChange, type WebhookSettings } from './webhook-settings.ts';

export interface WebhooksOptions extends Partial<WebhookSettings> {
  readonly url?: string | undefined;
  /** Maximum of waiting webhooks; further ones are dropped and counted. */
  readonly waitingMax?: number;
  /** Maximum of listed webhooks; the oldest are dropped first. */
  readonly keptMax?: number;
  /** After more failures in a row than this, WATI considers the endpoint defective. */
  readonly failuresMax?: number;
}

const retriesMax = 144;
const connections = 32;
/** WATI's own time-out is not published. */
const timeoutMs = 15_000;

/** One copy of a webhook's body that is posted. */
interface Copy {
  readonly body: WebhookBody;
  readonly name: string;
  readonly answered: () => void;
}

interface Job {
  readonly post: WebhookPost;
  readonly lane: string;
  readonly answered: () => void;
}

interface Clockwork {
  readonly agenda: Agenda;
  readonly now: () => number;
}

/** Everything that a reset discards. */
interface Life {
  settings: WebhookSettings;
  url: string | undefined;
  defective: boolean;
  failures: number;
  dropped: number;
  waiting: number;
  messages: number;
  readonly ledger: WebhookLedger;
  readonly lanes: Lanes<Job>;
}

/** WATI's webhooks: one endpoint, with its failures in a row. */
export class Webhooks {
  readonly #agenda: Agenda;
  readonly #now: () => number;
  readonly #given: Partial<WebhookSettings>;
  readonly #waitingMax: number;
  readonly #keptMax: number;
  readonly #failuresMax: number;
  readonly #poster = createPoster({ timeoutMs, connections });
  #configured: string | undefined;
  #life: Life;

  constructor({ agenda, now }: Clockwork, options: WebhooksOptions = {}) {
    const { url, waitingMax = 100_000, keptMax = 50_000, failuresMax = 100, ...given } = options;
    this.#agenda = agenda;
    this.#now = now;
    this.#given = given;
    this.#waitingMax = waitingMax;
    this.#keptMax = keptMax;
    this.#failuresMax = failuresMax;
    this.#configured = url;
    this.#life = this.#begin();
  }

  get settings(): WebhookSettings {
    return this.#life.settings;
  }

  /** The target; absent: nothing is posted. */
  get url(): string | undefined {
    return this.#life.url;
  }

  get status(): 'enabled' | 'disabled' | 'defective' {
    const { defective, url, settings } = this.#life;
    if (defective) return 'defective';
    return url !== undefined && settings.enabled ? 'enabled' : 'disabled';
  }

  get failuresInARow(): number {
    return this.#life.failures;
  }

  /** Everything that was posted or would have been, oldest first, with the answers. */
  get posts(): readonly WebhookPost[] {
    return this.#life.ledger.posts;
  }

  /** Webhooks dropped because too many waited. */
  get dropped(): number {
    return this.#life.dropped;
  }

  get waiting(): number {
    return this.#life.waiting;
  }

  /** Only the owner of the simulator sets the target. */
  pointTo(url: string | undefined): void {
    this.#configured = url;
    this.#life.url = url;
  }

  /** A string says what is wrong with it. */
  change({ url, seed, ...change }: WebhookChange): string | undefined {
    const life = this.#life;
    const wrong = url === undefined ? undefined : faultOfUrl(url, this.#configured);
    if (wrong !== undefined) return wrong;
    if (url !== undefined) life.url = url;
    if (seed !== undefined) life.messages = 0;
    life.settings = { ...life.settings, ...change, ...(seed === undefined ? {} : { seed: String(seed) }) };
    return undefined;
  }

  /** Posts to a defective endpoint again; skipped webhooks stay skipped. */
  enable(): void {
    const life = this.#life;
    Object.assign(life, { defective: false, failures: 0, settings: { ...life.settings, enabled: true } });
  }

  /** The number of the next message, from which the ids in its webhooks are derived. */
  number(): number {
    this.#life.messages += 1;
    return this.#life.messages;
  }

  /** Resolves when each of them was answered once. */
  async tell(telling: Telling): Promise<void> {
    if (this.status !== 'enabled') return;
    const times = telling.times ?? 1 + this.settings.duplicates;
    const answers: Promise<void>[] = [];
    for (let time = 0; time < times; time += 1) {
      for (const body of telling.bodies) {
        const answer = Promise.withResolvers<void>();
        this.#enqueue(telling, { body, name: `${telling.name}:${body.eventType}:${time}`, answered: answer.resolve });
        answers.push(answer.promise);
      }
    }
    await Promise.all(answers);
  }

  /** Resolves when nothing that is due is in progress, or after the time-out. */
  settled(timeoutMs: number): Promise<void> {
    return this.#life.lanes.idle(timeoutMs);
  }

  /** Resets to the initial state. Random draws use the seed, unless another was set at the start. */
  reset(seed?: string): void {
    this.#life = this.#begin(seed);
    this.#poster.abort();
  }

  #begin(seed?: string): Life {
    return {
      settings: firstSettings({ ...(seed === undefined ? {} : { seed }), ...this.#given }),
      url: this.#configured,
      defective: false,
      failures: 0,
      dropped: 0,
      waiting: 0,
      messages: 0,
      ledger: createWebhookLedger(this.#keptMax),
      lanes: createLanes<Job>(connections, (job) => this.#run(job)),
    };
  }

  #enqueue({ prompt = false, at, lane, recipient }: Telling, { body, name, answered }: Copy): void {
    const life = this.#life;
    const { disorderMs, lateMs, lossRatio, seed } = life.settings;
    const disorder = prompt || disorderMs === 0 ? 0 : Math.floor(draw(seed, `${name}:disorder`) * disorderMs);
    const due = at + (prompt ? 0 : lateMs) + disorder;
    if (!prompt && lossRatio > 0 && draw(seed, `${name}:loss`) < lossRatio) {
      life.ledger.open({ due, body, recipient, state: 'lost' });
      answered();
    } else if (life.waiting >= this.#waitingMax) {
      life.dropped += 1;
      answered();
    } else {
      life.waiting += 1;
      const job = { post: life.ledger.open({ due, body, recipient, state: 'waiting' }), lane, answered };
      this.#agenda.at(due, () => life.lanes.add(lane, job));
    }
  }

  /** One attempt. An attempt from before a reset changes nothing after it. */
  async #run(job: Job): Promise<void> {
    const life = this.#life;
    const { url } = life;
    if (this.status !== 'enabled' || url === undefined) {
      this.#finish(job, 'skipped');
      return;
    }
    const attempt = await this.#attempt(new URL(url), job.post);
    if (life === this.#life) this.#judge(job, attempt);
  }

  async #attempt(url: URL, post: WebhookPost): Promise<WebhookAttempt> {
    const at = this.#now();
    try {
      return { at, status: await this.#poster.post(url, JSON.stringify(post.body)) };
    } catch (error) {
      return { at, error: error instanceof Error ? error.message : String(error) };
    }
  }

  /** Only a 200 is an acknowledgement. */
  #judge(job: Job, attempt: WebhookAttempt): void {
    const life = this.#life;
    job.post.attempts.push(attempt);
    if (attempt.status === 200) {
      life.failures = 0;
      this.#finish(job, 'acknowledged');
      return;
    }
    life.failures += 1;
    if (life.failures > this.#failuresMax) life.defective = true;
    job.answered();
    if (job.post.attempts.length > retriesMax) this.#finish(job, 'abandoned');
    else this.#agenda.at(this.#now() + life.settings.retrySeconds * 1_000, () => life.lanes.add(job.lane, job));
  }

  #finish(job: Job, state: WebhookPost['state']): void {
    job.post.state = state;
    this.#life.waiting -= 1;
    job.answered();
  }
}
