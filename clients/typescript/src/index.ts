export type { Client } from './generated/client/index.ts';
export { createClient, createConfig } from './generated/client/index.ts';
export { client } from './generated/client.gen.ts';
export * from './generated/index.ts';
export type { KnownProblem } from './problem.ts';
export { hasType, isProblem } from './problem.ts';
export type { ReadEventsOptions } from './read-events.ts';
export { EventsRefused, readEvents } from './read-events.ts';
