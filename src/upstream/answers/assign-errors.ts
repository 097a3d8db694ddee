import { canonicalNumber, type Receiver } from './receivers.ts';
import type { ReportedError } from './reported-errors.ts';

/**
 * The errors of each receiver. If an error names none of several receivers, it may concern any of them, so no receiver counts
 * as accepted.
 */
export function assignErrors(faults: readonly ReportedError[], receivers: readonly Receiver[]) {
  const alone = receivers.length === 1;
  const shares = new Map<Receiver, ReportedError[]>();
  let ofNobody = false;
  for (const fault of faults) {
    const about = new Set(fault.about.map(canonicalNumber));
    const meant = alone ? receivers : receivers.filter((each) => isAbout(about, each));
    if (meant.length === 0) ofNobody = true;
    for (const receiver of meant) shares.set(receiver, [...(shares.get(receiver) ?? []), fault]);
  }
  return { of: (receiver: Receiver) => shares.get(receiver) ?? [], ofNobody };
}

const isAbout = (about: ReadonlySet<string>, { phone, localMessageId }: Receiver): boolean =>
  about.has(localMessageId) || about.has(canonicalNumber(phone));
