import { sleep } from '../../sleep.ts';
import type { CallContext } from '../../upstream/client.ts';
import type { SendCalls } from '../../upstream/messages.ts';
import { askOf, ownTurn, type Pace, type Turn } from '../../upstream/pace.ts';
import type { AttemptReport, Transport } from '../../upstream/transport.ts';
import type { Coming } from '../admission/pending-inserts.ts';
import { attempt, isHeld, type LifeServices, type LiveSend } from './deliver.ts';
import { groupPassage } from './upstream-request.ts';

/** How many template sends one call may carry, by lane: a lost answer makes all of them unknown. */
export type GroupMax = Readonly<Record<Turn['lane'], number>>;

/**
 * Template sends that wait for their turn and agree in connection, channel, template, broadcast name and lane go out as one call.
 * Nothing waits for company: whoever has his turn at once goes alone, as he is.
 */
export interface Groups {
  /** Takes a recorded send to its end, or as far as it may. */
  join(send: LiveSend, template: GroupTemplate, context: CallContext): Promise<LiveSend>;
  /** How many calls of the same kind go before the one that a further send would be in; -1: it shares one that waits already. */
  callsBefore(template: GroupTemplate, context: CallContext): number;
}

export interface GroupTemplate {
  name: string;
  broadcastName: string;
}

interface GroupServices extends LifeServices {
  pace: Pace;
  sendCalls: SendCalls;
  transport: Transport;
  splitsGroups: boolean;
  groupMax: GroupMax;
  /** By `lineKey`. */
  coming: Coming;
  /** A call goes out with so many. */
  onGroup?: (lane: Turn['lane'], size: number) => void;
}

interface Seat {
  readonly send: LiveSend;
  readonly context: CallContext;
  readonly turn: Turn;
  readonly leave: (ended: LiveSend) => void;
  readonly fail: (error: unknown) => void;
}

/** What agrees. Lines with nobody in them are dropped. */
interface Line {
  readonly key: string;
  readonly template: GroupTemplate;
  readonly connection: string;
  readonly channel: string | undefined;
  readonly lane: Turn['lane'];
  /** In order of arrival, by caller. */
  readonly waiting: Map<string, Seat[]>;
  size: number;
  /** Recipients with a send under way: the next one of theirs goes after it, never beside it. */
  readonly busy: Set<string>;
  asking: boolean;
}

/** What template sends must agree in to go out as one call. */
export const lineKey = (
  { name, broadcastName }: GroupTemplate,
  { connection, channel, turn = ownTurn }: CallContext,
): string => JSON.stringify([connection, channel ?? null, name, broadcastName, turn.lane]);

export function createGroups(services: GroupServices): Groups {
  const { pace, closing, groupMax, coming } = services;
  const lines = new Map<string, Line>();

  const lineOf = (template: GroupTemplate, context: CallContext): Line => {
    const key = lineKey(template, context);
    const known = lines.get(key);
    if (known) return known;
    const line: Line = {
      key,
      template,
      connection: context.connection,
      channel: context.channel,
      lane: (context.turn ?? ownTurn).lane,
      waiting: new Map(),
      size: 0,
      busy: new Set(),
      asking: false,
    };
    lines.set(key, line);
    return line;
  };

  const sit = (line: Line, seat: Seat) => {
    const { caller } = seat.turn;
    const seats = line.waiting.get(caller);
    if (seats) seats.push(seat);
    else line.waiting.set(caller, [seat]);
    line.size++;
    ask(line);
  };

  /** Asks for one turn while anybody could use it. */
  const ask = (line: Line) => {
    const first = line.asking ? undefined : firstReady(line);
    if (!first) return;
    line.asking = true;
    const turn = { ...askOf('sendTemplateMessages', first.turn), lane: line.lane };
    pace.take({ ...turn, untilMs: Number.POSITIVE_INFINITY, signal: closing }).then(
      () => {
        line.asking = false;
        depart(line, performance.now());
      },
      // The process ends: what is queued stays recorded.
      () => {
        for (const seat of [...line.waiting.values()].flat()) seat.leave(seat.send);
        lines.delete(line.key);
      },
    );
  };

  const depart = (line: Line, turnCameMs: number) => {
    const aboard = board(line, groupMax[line.lane]);
    ask(line);
    if (aboard.length === 0) return;
    for (const { send } of aboard) line.busy.add(recipientOf(send));
    // Meanwhile others may have been turned away, or callers be gone: theirs stay in the store until they may go.
    const [held, seats] = byHold(line, aboard);
    for (const seat of held) over(line, seat);
    if (seats.length === 0) return;
    const context = { connection: line.connection, channel: line.channel, onAttempt: tellAll(seats) };
    services.onGroup?.(line.lane, seats.length);
    const { sendCalls, transport, splitsGroups } = services;
    const takeTurn = () =>
      pace.take({ ...turnOfLine(line, seats), untilMs: Number.POSITIVE_INFINITY, signal: closing });
    const passage = groupPassage(line.template, context, { sendCalls, transport, splitsGroups, takeTurn });
    const sends = seats.map(({ send }) => send);
    attempt(sends, passage, context, services, turnCameMs).then(
      (again) => {
        const pauses = new Map(again.map(({ send, pauseMs }) => [send, pauseMs]));
        const goOn = Map.groupBy(seats, ({ send }) => (closing.aborted ? undefined : pauses.get(send)));
        for (const [pauseMs, some] of goOn) {
          if (pauseMs !== undefined) void sitAgain(line, some, pauseMs);
          else for (const seat of some) over(line, seat);
        }
        settle(line);
      },
      (error) => {
        for (const seat of seats) {
          line.busy.delete(recipientOf(seat.send));
          seat.fail(error);
        }
        settle(line);
      },
    );
  };

  /** Those that must be held now, and the others. */
  const byHold = ({ connection }: Line, seats: readonly Seat[]) =>
    partition(seats, ({ send }) => isHeld(send, connection, services));

  const over = (line: Line, { send, leave }: Seat) => {
    line.busy.delete(recipientOf(send));
    leave(send);
  };

  /** Their recipients stay busy meanwhile: what was asked for later must not overtake them. */
  const sitAgain = async (line: Line, seats: readonly Seat[], pauseMs: number) => {
    await sleep(pauseMs, closing);
    const [held, others] = byHold(line, seats);
    for (const seat of held) over(line, seat);
    takeSeats(line, others);
    settle(line);
  };

  const takeSeats = (line: Line, seats: readonly Seat[]) => {
    if (seats.length === 0) return;
    if (closing.aborted) {
      for (const seat of seats) over(line, seat);
      return;
    }
    for (const [caller, own] of Map.groupBy(seats, ({ turn }) => turn.caller)) {
      for (const { send } of own) line.busy.delete(recipientOf(send));
      line.waiting.set(caller, [...own, ...(line.waiting.get(caller) ?? [])]);
      line.size += own.length;
    }
    ask(line);
  };

  const settle = (line: Line) => {
    ask(line);
    if (line.size === 0 && line.busy.size === 0 && lines.get(line.key) === line) lines.delete(line.key);
  };

  return {
    join: async (send, template, context) => {
      if (closing.aborted || isHeld(send, context.connection, services)) return send;
      return new Promise((leave, fail) => {
        const turn = context.turn ?? ownTurn;
        sit(lineOf(template, context), { send, context, turn, leave, fail });
      });
    },
    callsBefore: (template, context) => {
      const key = lineKey(template, context);
      const line = lines.get(key);
      const max = groupMax[(context.turn ?? ownTurn).lane];
      if (!line?.asking) return Math.floor(coming.in(key) / max);
      return Math.floor((line.size + coming.in(key)) / max) - 1;
    },
  };
}

const partition = <Item>(items: readonly Item[], isFirst: (item: Item) => boolean): [Item[], Item[]] => {
  const { first = [], second = [] } = Object.groupBy(items, (item) => (isFirst(item) ? 'first' : 'second'));
  return [first, second];
};

const recipientOf = ({ stored }: LiveSend): string => stored.to ?? stored.id;

/** The next call of these is asked for in the name of the first. */
const turnOfLine = ({ lane }: Line, [first]: readonly Seat[]) => ({
  ...askOf('sendTemplateMessages', first?.turn),
  lane,
});

function firstReady({ waiting, busy }: Line): Seat | undefined {
  for (const seats of waiting.values()) {
    const ready = seats.find(({ send }) => !busy.has(recipientOf(send)));
    if (ready) return ready;
  }
  return undefined;
}

/** Takes at most `max` that may go now: in turns between the callers, in order within one, and never two to one recipient. */
function board(line: Line, max: number): Seat[] {
  const { waiting, busy } = line;
  const aboard: Seat[] = [];
  const taken = new Set(busy);
  const queues = [...waiting].map(([caller, seats]) => ({ caller, seats, next: 0, left: [] as Seat[] }));
  for (let went = true; went && aboard.length < max; ) {
    went = false;
    for (const queue of queues) {
      const seat = aboard.length < max ? nextReady(queue, taken) : undefined;
      if (!seat) continue;
      taken.add(recipientOf(seat.send));
      aboard.push(seat);
      went = true;
    }
  }
  for (const { caller, seats, next, left } of queues) {
    const rest = [...left, ...seats.slice(next)];
    // To the end: who came first this time comes last the next.
    waiting.delete(caller);
    if (rest.length > 0) waiting.set(caller, rest);
  }
  line.size -= aboard.length;
  return aboard;
}

/** Passes over those whose recipient is taken, and keeps them in order: a later one to the same person waits as well. */
function nextReady(queue: { seats: Seat[]; next: number; left: Seat[] }, taken: ReadonlySet<string>): Seat | undefined {
  while (queue.next < queue.seats.length) {
    const seat = queue.seats[queue.next++];
    if (seat && !taken.has(recipientOf(seat.send))) return seat;
    if (seat) queue.left.push(seat);
  }
  return undefined;
}

/** Each caller's log line tells what the upstream answered to the call that carried its send. */
function tellAll(seats: readonly Seat[]): (report: AttemptReport) => void {
  return (report) => {
    for (const { context } of seats) context.onAttempt?.(report);
  };
}
