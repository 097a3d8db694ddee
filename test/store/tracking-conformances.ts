import { conversationsConformance } from './conformance-conversations.ts';
import { intakeConformance } from './conformance-intake.ts';
import { pollsConformance } from './conformance-polls.ts';
import { proofsConformance } from './conformance-proofs.ts';
import { trackingConformance } from './conformance-tracking.ts';
import type { StoreFixture } from './fixture.ts';

/** The conformance of a store that outlives its process, for webhooks and what they say of messages. */
export function trackingConformances(name: string, makeHome: () => Promise<StoreFixture>): void {
  intakeConformance(name, makeHome, true);
  trackingConformance(name, makeHome);
  proofsConformance(name, makeHome, true);
  conversationsConformance(name, makeHome);
  pollsConformance(name, makeHome);
}
