// The shapes that the service answers, from its own schemas.

export type { Connection, CreatedConnection } from '../schemas/connection.ts';
export type { Ready } from '../schemas/health.ts';
export type { OperatorBroadcast, OperatorCaller, OperatorMessage, Overview, Sending } from '../schemas/operator.ts';
export type { BudgetPoint } from '../schemas/operator-live.ts';
export type { OperatorMessageDetail, UnknownGroup } from '../schemas/operator-message.ts';
export type { RenderedTemplate, Template } from '../schemas/template.ts';
