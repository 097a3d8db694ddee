import { type Callers, hasScope, mayUse, type Scope } from '../callers.ts';

/** Why queued messages may not go out now. They stay queued and go on when the reason is gone. */
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

/** What is about to be sent: for which caller, over which connection, under which scope. */
export interface SendingQuestion {
  readonly caller: string;
  readonly connection: string;
  readonly scope: Extract<Scope, 'messages:send' | 'broadcasts:send'>;
}

/** Whether a caller may still send; asked before each attempt, so it reads memory only. */
export interface Holds {
  /** `undefined`: it may go out. */
  reasonFor(ask: SendingQuestion): Hold | undefined;
}

/** What an operator has stopped, as last read from the store. */
export interface StoppedSending {
  /** Why sending is stopped; `undefined`: it is not. Without a connection: whether it is stopped over every connection. */
  reasonFor(ask: { caller: string; connection?: string }): Hold | undefined;
}

export function createHolds(callers: Callers, stopped: StoppedSending): Holds {
  return {
    reasonFor: (ask) => stopped.reasonFor(ask) ?? entryFault(callers, ask),
  };
}

/** What the caller's current entry in the callers file no longer allows. */
function entryFault(callers: Callers, { caller: id, connection, scope }: SendingQuestion): Hold | undefined {
  const caller = callers.byId(id);
  if (!caller) return { code: 'caller-removed', detail: 'the caller is not in the callers file any more' };
  if (!hasScope(caller, scope)) return { code: 'scope-removed', detail: `the caller lacks the scope ${scope} now` };
  if (mayUse(caller, connection)) return undefined;
  return { code: 'connection-removed', detail: 'the caller may not use this connection any more' };
}
