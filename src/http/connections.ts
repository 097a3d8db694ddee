import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import { remoteKey } from './remote-address.ts';

interface ConnectionLimits {
  /** Open at once; more are closed as they come. */
  max: number;
  /** The percentage of `max` that one remote address may have. */
  perAddress: number;
  /** How long a connection without a request under way may stay while nearly all are taken, ms. */
  silentMs?: number;
  checkEveryMs?: number;
  /** Steady milliseconds. */
  clock?: () => number;
}

/** Why a connection was closed by us before its caller was done with it. */
export type ConnectionRefusal = 'full' | 'address' | 'silent' | 'pipelined';

export interface Connections {
  readonly open: number;
  readonly refused: Readonly<Record<ConnectionRefusal, number>>;
  /** Too many requests were sent ahead on one connection. */
  flooded(): void;
  /** Closes those that say nothing, where nearly all are taken; called by itself every half second. */
  sweep(): void;
  close(): void;
}

/** From there on it is nearly full: of all, or of what one address may have. */
const nearlyFull = 0.8;

/** The answer that a connection waits for, where Node keeps it while a request is under way. */
const isBusy = (socket: Socket & { _httpMessage?: unknown }) => Boolean(socket._httpMessage);

interface OpenConnection {
  address: string;
  /** Of the last request or answer. */
  since: number;
  written: number;
}

function noteActivity(socket: Socket, state: OpenConnection, now: number): boolean {
  if (!isBusy(socket) && socket.bytesWritten === state.written) return false;
  state.since = now;
  state.written = socket.bytesWritten;
  return true;
}

class AddressCounts {
  readonly #counts = new Map<string, number>();

  of(address: string): number {
    return this.#counts.get(address) ?? 0;
  }

  add(address: string): void {
    this.#counts.set(address, this.of(address) + 1);
  }

  remove(address: string): void {
    const left = this.of(address) - 1;
    if (left > 0) this.#counts.set(address, left);
    else this.#counts.delete(address);
  }
}

/**
 * Limits the connections of a listener, in all and by remote address, so that one client cannot use up all of them. At the
 * limit a new connection replaces the oldest one that was never answered. While nearly all are taken, a connection without a
 * request under way is closed after `silentMs`: a silent one, one that sends its header slowly, or one kept alive.
 */
export function watchConnections(
  server: Server,
  { max, perAddress, silentMs = 2_000, checkEveryMs = 500, clock = () => performance.now() }: ConnectionLimits,
): Connections {
  const perAddressMax = Math.max(1, Math.floor((max * perAddress) / 100));
  const open = new Map<Socket, OpenConnection>();
  const byAddress = new AddressCounts();
  const refused: Record<ConnectionRefusal, number> = { full: 0, address: 0, silent: 0, pipelined: 0 };

  const forget = (socket: Socket) => {
    const state = open.get(socket);
    if (state === undefined) return;
    open.delete(socket);
    byAddress.remove(state.address);
  };
  const cut = (socket: Socket) => {
    refused.silent += 1;
    forget(socket);
    socket.destroy();
  };
  /** Makes room for a new one: the oldest that never had an answer goes, of this address or of all. */
  const cutOldestSilent = (address?: string): boolean => {
    for (const [socket, state] of open) {
      if (address !== undefined && state.address !== address) continue;
      if (socket.bytesWritten > 0 || isBusy(socket)) continue;
      cut(socket);
      return true;
    }
    return false;
  };
  const refusalFor = (address: string): ConnectionRefusal | undefined => {
    if (byAddress.of(address) >= perAddressMax && !cutOldestSilent(address)) return 'address';
    if (open.size >= max && !cutOldestSilent()) return 'full';
    return undefined;
  };

  // Kept to below; those that are being closed are still among what Node counts.
  server.maxConnections = 2 * max;
  server.on('drop', () => ++refused.full);
  // In front of Node's own listener: one that is refused does not get a parser.
  server.prependListener('connection', (socket: Socket) => {
    const address = remoteKey(socket);
    const refusal = refusalFor(address);
    if (refusal !== undefined) {
      refused[refusal] += 1;
      socket.destroy();
      return;
    }
    byAddress.add(address);
    open.set(socket, { address, since: clock(), written: 0 });
    socket.once('close', () => forget(socket));
  });

  const isCrowded = (address: string) =>
    open.size >= nearlyFull * max || byAddress.of(address) >= nearlyFull * perAddressMax;

  const sweep = () => {
    const now = clock();
    for (const [socket, state] of open) {
      if (noteActivity(socket, state, now)) continue;
      if (now - state.since >= silentMs && isCrowded(state.address)) cut(socket);
    }
  };
  const timer = setInterval(sweep, checkEveryMs).unref();

  return {
    get open() {
      return open.size;
    },
    refused,
    flooded: () => {
      refused.pipelined += 1;
    },
    sweep,
    close: () => clearInterval(timer),
  };
}
