import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import { remoteKey } from './remote-address.ts';

interface ConnectionLimits {
  /** The most open connections; further ones are closed as they are accepted. */
  max: number;
  /** The percentage of `max` that one remote address may have. */
  perAddress: number;
  /** How long a connection without a request in progress may stay open while nearly all are in use, ms. */
  silentMs?: number;
  checkEveryMs?: number;
  /** Steady milliseconds. */
  clock?: () => number;
}

/** Why the service closed a connection before its client did. */
export type ConnectionRefusal = 'full' | 'address' | 'silent' | 'pipelined';

export interface Connections {
  readonly open: number;
  readonly refused: Readonly<Record<ConnectionRefusal, number>>;
  /** The client sent too many requests ahead on one connection. */
  flooded(): void;
  /** Closes silent connections while nearly all are in use. Runs by itself every half second. */
  sweep(): void;
  close(): void;
}

/** The share of a limit (of all connections, or of one address) from which it counts as nearly reached. */
const nearlyFull = 0.8;

/** The response that a connection waits for; Node keeps it in this property while a request is in progress. */
const isBusy = (socket: Socket & { _httpMessage?: unknown }) => Boolean(socket._httpMessage);

interface OpenConnection {
  address: string;
  /** Time of the last request or response. */
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
  /** Frees a place for a new connection: closes the oldest one that never got a response, of the same address or of all. */
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

  // Not exactly `max`: Node also counts connections that are being closed.
  server.maxConnections = 2 * max;
  server.on('drop', () => ++refused.full);
  // Runs before Node's own listener, so that a refused connection gets no parser.
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
