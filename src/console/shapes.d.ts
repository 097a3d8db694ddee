// The shapes that the operators' calls answer, as the service's own schemas have them.
export type { Ready } from '../schemas/health.ts';
export type { OperatorBroadcast, OperatorCaller, OperatorMessage, Overview, Sending } from '../schemas/operator.ts';

export interface BudgetPoint {
  at: string;
  used: number;
  callsPerSecond: number;
  waiting: { urgent: number; interactive: number; broadcast: number };
  refused: number;
}
export type { Connection } from '../schemas/connection.ts';
export interface CreatedConnection {
  authorizationUrl?: string;
}
export type { RenderedTemplate, Template } from '../schemas/template.ts';
