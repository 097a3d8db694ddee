import { it } from 'vitest';
import { expectFold } from './lives.ts';

it('ends with the join of all that was recorded, in SQLite, across a restart in the middle', () =>
  expectFold({ messages: 60, webhooks: 600, seed: 17 }));
