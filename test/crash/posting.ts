import { setTimeout as sleep } from 'node:timers/promises';
import { Agent, request } from 'undici';

/** A webhook that is posted repeatedly, as WATI does, until it is answered 200. */
export type Posted<Told> = Told & {
  body: string;
  /** The status of each post; 0: the connection broke. */
  answers: number[];
  /** When it was posted for the first time (`performance.now`). */
  postedMs: number;
};

export interface Posting<Told> {
  readonly events: readonly Posted<Told>[];
  /** When the last one was posted (`performance.now`). */
  readonly lastPostedMs: number;
  /** Posts the oldest refused webhook that is due, or a new one. Resolves with its answer. Never throws. */
  post(): Promise<number>;
  /** Posts refused webhooks until none is left. */
  repeat(patienceMs?: number): Promise<void>;
  close(): Promise<void>;
}

/** Posts the webhook that `tell` makes for each number, at the doors in turn. */
export function createPosting<Told extends { body: string }>(
  doors: readonly string[],
  tell: (n: number) => Told,
  repeatMs = 0,
): Posting<Told> {
  const agent = new Agent({ connections: 200, pipelining: 1, connect: { timeout: 2_000 } });
  const events: Posted<Told>[] = [];
  const refused: { event: Posted<Told>; at: number }[] = [];
  let lastPostedMs = 0;
  let posts = 0;

  const postOne = async (event: Posted<Told>): Promise<number> => {
    lastPostedMs = performance.now();
    const door = doors[posts++ % doors.length] ?? '';
    const status = await send(agent, door, event.body);
    event.answers.push(status);
    if (status !== 200) refused.push({ event, at: performance.now() });
    return status;
  };
  const fresh = (): Posted<Told> => {
    const event = { ...tell(events.length), answers: [], postedMs: performance.now() };
    events.push(event);
    return event;
  };
  const isDue = () => refused[0] !== undefined && performance.now() - refused[0].at >= repeatMs;

  return {
    events,
    get lastPostedMs() {
      return lastPostedMs;
    },
    post: () => postOne((isDue() ? refused.shift()?.event : undefined) ?? fresh()),
    repeat: async (patienceMs = 30_000) => {
      const end = performance.now() + patienceMs;
      for (let again = refused.shift(); again; again = refused.shift()) {
        if ((await postOne(again.event)) !== 200) await sleep(50);
        if (performance.now() > end) throw new Error(`${refused.length} webhooks are still refused`);
      }
    },
    close: () => agent.destroy(),
  };
}

async function send(agent: Agent, url: string, body: string): Promise<number> {
  try {
    const answer = await request(url, { method: 'POST', body, dispatcher: agent, headersTimeout: 20_000 });
    await answer.body.dump();
    return answer.statusCode;
  } catch {
    return 0;
  }
}
