import { hash } from 'node:crypto';
import { request } from 'undici';
import { createIntake, type IntakeOptions } from '../../src/intake/intake.ts';
import type { IntakeSink } from '../../src/intake/intake-recorder.ts';
import { fixedTokens } from '../../src/intake/tokens.ts';
import { createLogger } from '../../src/observability/logger.ts';
import type { IntakeRow } from '../../src/store/intake-store.ts';

export const token = 'tQ0bWJ3nVZk2c5yHq8mX1rE7sLd9uAfG4iPjToKwCxM';
export const connectionId = '21fd90f9-5935-43cd-b6c8-bde9d915ca80';
export const entryOf = (name: string, ...tokens: string[]) => ({
  name,
  tokenSha256: tokens.map((each) => hash('sha256', each)),
  connectionId,
});

/** A delivered event; each id is another message. */
export const delivered = (id: string) => ({
  eventType: 'sentMessageDELIVERED_v2',
  statusString: 'Delivered',
  id,
  whatsappMessageId: `wamid.${id}`,
  localMessageId: `local-${id}`,
  text: 'A text that nobody else reads',
});

/** Records in memory, and fails or hangs when a test says so. */
export function memorySink() {
  const rows = new Map<string, IntakeRow>();
  let asked = 0;
  const state: { failure: Error | undefined; hold: Promise<void> | undefined } = {
    failure: undefined,
    hold: undefined,
  };
  const sink: IntakeSink = {
    recordIntake: async (given) => {
      asked += 1;
      await state.hold;
      if (state.failure) throw state.failure;
      const before = rows.size;
      for (const row of given) rows.set(row.key, row);
      const received = rows.size - before;
      return { received, duplicates: given.length - received };
    },
  };
  return { sink, state, rows, asked: () => asked };
}

type Options = Partial<Omit<IntakeOptions, 'config'>> & { config?: Partial<IntakeOptions['config']> };

interface Ask {
  method: string;
  path: string;
  body?: string | Buffer;
  headers?: Record<string, string>;
}

export interface Answer {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  text: string;
}

/** The listener for webhooks alone, on a real socket. */
export async function startDoor(options: Options = {}) {
  let log = '';
  let badTokens = 0;
  const counts: Record<string, number> = {};
  const memory = memorySink();
  const intake = await createIntake({
    tokens: fixedTokens([entryOf('acme', token)]),
    sink: memory.sink,
    logger: createLogger('trace', [], {
      write: (line) => {
        log += line;
      },
    }),
    count: (event, result, n) => {
      counts[`${event} ${result}`] = (counts[`${event} ${result}`] ?? 0) + n;
    },
    onBadToken: () => {
      badTokens += 1;
    },
    retryMs: 5,
    ...options,
    config: { INTAKE_MAX_BYTES: 1_048_576, INTAKE_IN_FLIGHT_MAX: 500, INTAKE_WAIT_MS: 60_000, ...options.config },
  });
  const { port } = await intake.listen({ host: '127.0.0.1', port: 0 });
  const url = `http://127.0.0.1:${port}`;
  return {
    url,
    intake,
    memory,
    counts,
    badTokens: () => badTokens,
    log: () => log,
    ask: (what: Ask) => ask(url, what),
    /** With the right token, as JSON. */
    post: (body: unknown) => ask(url, { method: 'POST', path: `/wati/${token}`, body: JSON.stringify(body) }),
  };
}

async function ask(url: string, { method, path, body, headers = {} }: Ask): Promise<Answer> {
  const answer = await request(`${url}${path}`, { method, body: body ?? null, headers });
  return { status: answer.statusCode, headers: answer.headers, text: await answer.body.text() };
}

/** Resolves when it is let go. */
export function held() {
  let letGo = () => {};
  const promise = new Promise<void>((resolve) => {
    letGo = resolve;
  });
  return { promise, letGo: () => letGo() };
}
