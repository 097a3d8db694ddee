import { type Callers, hasScope, mayUse, type Scope } from '../callers.ts';
import type { StoredMessage } from '../store/message-store.ts';

/** Why queued messages may not be sent now. They stay queued and continue when the reason is gone. */
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
  /** One sentence for the caller and for operators. */
  readonly detail: string;
}

/** A send that is about to happen: its caller, connection and scope. */
export interface SendingQuestion {
  readonly caller: string;
  readonly connection: string;
  readonly scope: Extract<Scope, 'messages:send' | 'broadcasts:send'>;
}

/** The question for a recorded message. */
export const sendingQuestionOf = ({
  caller,
  connectionId: connection,
  kind,
  broadcastId,
}: Pick<StoredMessage, 'caller' | 'connectionId' | 'kind' | 'broadcastId'>): SendingQuestion => {
  const scope = broadcastId !== undefined || kind === 'csv' ? 'broadcasts:send' : 'messages:send';
  return { caller, connection, scope };
};

/**
 * Tells whether a caller may still send. Called before each attempt, so it reads memory only. This is where a removed key or a
 * stop by an operator takes effect on queued messages.
 */
export interface Holds {
  /** `undefined`: the message may be sent. */
  reasonFor(ask: SendingQuestion): Hold | undefined;
}

/** What operators have stopped, as last read from the store. */
export interface StoppedSending {
  /** Why sending is stopped; `undefined`: it is not. Without a connection: whether it is stopped over every connection. */
  reasonFor(ask: { caller: string; connection?: string }): Hold | undefined;
}

export function createHolds(callers: Callers, stopped: StoppedSending): Holds {
  return {
    reasonFor: (ask) => stopped.reasonFor(ask) ?? entryFault(callers, ask),
  };
}

/** Holds that follow from the caller's current entry in the callers file: the entry was removed, or lacks the scope or connection. */
function entryFault(callers: Callers, { caller: id, connection, scope }: SendingQuestion): Hold | undefined {
  const caller = callers.byId(id);
  if (!caller) return { code: 'caller-removed', detail: 'the caller is not in the callers file any more' };
  if (!hasScope(caller, scope)) return { code: 'scope-removed', detail: `the caller lacks the scope ${scope} now` };
  if (mayUse(caller, connection)) return undefined;
  return { code: 'connection-removed', detail: 'the caller may not use this connection any more' };
}
