import { it } from 'vitest';
import { expectFold } from './lives.ts';

it('comes to the fold of all that was recorded, in SQLite, over a change of the process in the middle', () =>
  expectFold({ messages: 60, webhooks: 600, seed: 17 }));
