import { hasScope, type Scope } from '../callers.ts';
import type { HoldCode } from '../holds/holds.ts';
import type { OperatorCaller } from '../schemas/operator.ts';

type HeldReason = Extract<HoldCode, 'caller-removed' | 'sending-stopped' | 'scope-removed'>;

const sendingScopes: readonly Scope[] = ['messages:send', 'broadcasts:send'];

/**
 * The number of messages that are held because of their caller, by reason. Holds of one connection of a caller are not counted
 * separately.
 */
export function heldMessages(callers: readonly OperatorCaller[]): Record<HeldReason, number> {
  const held = { 'caller-removed': 0, 'sending-stopped': 0, 'scope-removed': 0 };
  for (const { queued, hold, inFile, scopes } of callers) {
    if (!inFile) held['caller-removed'] += queued;
    else if (hold) held['sending-stopped'] += queued;
    else if (!sendingScopes.some((scope) => hasScope({ scopes }, scope))) held['scope-removed'] += queued;
  }
  return held;
}
