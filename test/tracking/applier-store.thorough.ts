import { it } from 'vitest';
import { expectFold } from './lives.ts';

it.each([1, 2, 3])(
  'comes to the fold of 100,000 webhooks of 20,000 messages in random order, with doubles and twins: seed %d',
  (seed) => expectFold({ messages: 20_000, webhooks: 100_000, seed }),
  300_000,
);
