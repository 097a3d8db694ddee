// Types of responses, from the schemas of the service.
import type { OperatorBroadcast as Broadcast, OperatorMessage as Message } from '../schemas/operator.ts';
import type { OperatorMessageDetail as Detail } from '../schemas/operator-message.ts';

export type { Connection, CreatedConnection } from '../schemas/connection.ts';
export type { Ready } from '../schemas/health.ts';
export type { OperatorCaller, Overview, Sending } from '../schemas/operator.ts';
export type { BudgetPoint } from '../schemas/operator-live.ts';
export type { UnknownGroup } from '../schemas/operator-message.ts';
export type { RenderedTemplate, Template } from '../schemas/template.ts';

/** Names that callers give to their messages, and times at which they are due. */
interface Named {
  reference?: string;
  idempotencyKey?: string;
  sendAt?: string;
}

export type OperatorMessage = Message & Named;
export type OperatorMessageDetail = Detail & Named;
export type OperatorBroadcast = Broadcast & { sendAt?: string; estimatedEndAt?: string };
