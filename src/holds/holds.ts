import { type Callers, hasScope, mayUse, type Scope } from '../callers.ts';

/** Why work that nobody waits for may not go on now. It is kept, and goes on when the reason is gone. */
export type HoldCode =
  | 'caller-removed'
  | 'scope-removed'
  | 'connection-removed'
  | 'sending-stopped'
  | 'connection-refused'
  | 'credentials-refused'
  | 'gateway-unreachable';

export interface Hold {
  readonly code: HoldCode;
  /** For the caller and operators: one sentence. */
  readonly detail: string;
}

/** What is about to be sent: for whom, over which connection, by the right of which scope. */
export interface SendingAsk {
  readonly caller: string;
  readonly connection: string;
  readonly scope: Extract<Scope, 'messages:send' | 'broadcasts:send'>;
}

/** Whether a caller may still send now: asked before each attempt and each group. Costs a look into maps. */
export interface Holds {
  /** `undefined`: it may go out. */
  reasonFor(ask: SendingAsk): Hold | undefined;
}

/** What an operator has stopped, as the store said last. */
export interface StoppedSending {
  /** The reason that stops this one; `undefined`: nothing does. Without a connection: whether it is stopped whichever it takes. */
  reasonFor(ask: { caller: string; connection?: string }): Hold | undefined;
}

export function createHolds(callers: Callers, stopped: StoppedSending): Holds {
  return {
    reasonFor: (ask) => stopped.reasonFor(ask) ?? entryFault(callers, ask),
  };
}

/** What the entry of the caller, as it stands now, no longer allows. */
function entryFault(callers: Callers, { caller: id, connection, scope }: SendingAsk): Hold | undefined {
  const caller = callers.byId(id);
  if (!caller) return { code: 'caller-removed', detail: 'the caller is not in the callers file any more' };
  if (!hasScope(caller, scope)) return { code: 'scope-removed', detail: `the caller lacks the scope ${scope} now` };
  if (mayUse(caller, connection)) return undefined;
  return { code: 'connection-removed', detail: 'the caller may not use this connection any more' };
}
