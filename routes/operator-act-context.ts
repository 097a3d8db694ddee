import type { FastifyRequest } from 'fastify';
import type { Broadcasts } from '../src/broadcasts/types.ts';
import type { Callers } from '../src/callers.ts';
import type { Config } from '../src/config.ts';
import type { Reconciler } from '../src/delivery/reconcile/reconciler.ts';
import type { Delivery } from '../src/delivery/types.ts';
import type { Holds } from '../src/holds/holds.ts';
import type { ListedCheck } from '../src/http/listed-check.ts';
import type { MessageStore, StoredMessage } from '../src/store/message-store.ts';
import type { OperatorMessageStore } from '../src/store/operator-message-store.ts';
import type { TemplateCache } from '../src/templates/template-cache.ts';
import type { About } from './operator-act.ts';
import { findAnyMessage } from './operator-messages.ts';
import { contextOn, deadlineOf } from './request-context.ts';

export interface ActServices {
  config: Config;
  callers: Callers;
  store: OperatorMessageStore & Pick<MessageStore, 'complete'>;
  delivery: Delivery;
  broadcasts: Broadcasts;
  reconciler: Reconciler;
  templates: TemplateCache;
  holds: Holds;
  listedCheck: ListedCheck;
}

/** Finds the message, and adds it to the audit line. */
export async function findFor(
  request: FastifyRequest,
  { store }: ActServices,
  { id, about }: { id: string; about: About },
) {
  request.requestLog.messageId = id;
  const history = await findAnyMessage(store, id);
  const { caller, connectionId, broadcastId } = history.message;
  Object.assign(about, { of: caller, connection: connectionId, ...(broadcastId !== undefined && { broadcastId }) });
  request.requestLog.connection = connectionId;
  return history;
}

/** Queues upstream calls under the caller of the message, not the operator. */
export function contextFor(
  request: FastifyRequest,
  { config, callers }: ActServices,
  { caller, connectionId }: StoredMessage,
) {
  const weight = callers.byId(caller)?.weight;
  const priority = { caller, lane: 'interactive' as const, ...(weight !== undefined && { weight }) };
  return { ...contextOn(request, connectionId, deadlineOf(request, config)), priority };
}
