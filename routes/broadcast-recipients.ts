import type { BroadcastRecipient } from '../src/broadcasts/types.ts';
import { counted } from '../src/lib/counted.ts';
import { type FieldError, Problem } from '../src/problem.ts';
import { bodyPointers, createSendingCheck, type SendingRules } from '../src/sending-rules.ts';
import { languagesOf, parameterFaults, type Sendable } from '../src/templates/template-validation.ts';
import type { WatiTemplate } from '../src/upstream/templates.ts';

const faultsShown = 100;

export interface RecipientFaults {
  /** The first hundred. */
  shown: FieldError[];
  count: number;
  duplicates: number;
  /** Indexes of faulty recipients in the list. */
  faulty: ReadonlySet<number>;
  /** True if no version of the template accepts all recipients. */
  fitsNone: boolean;
}

/** Returns all faults of the recipients of a request: duplicate numbers, and parameters that do not fit the template. */
export function recipientFaults(recipients: readonly BroadcastRecipient[], versions: Sendable): RecipientFaults {
  const fits = (each: WatiTemplate) =>
    recipients.every(({ parameters = {} }) => parameterFaults(each, parameters).length === 0);
  const fitting = versions.find(fits);
  const template = fitting ?? versions[0];
  const first = new Map<string, number>();
  const shown: FieldError[] = [];
  const faulty = new Set<number>();
  let count = 0;
  let duplicates = 0;
  const note = (found: readonly FieldError[], at: number) => {
    if (found.length > 0) faulty.add(at);
    count += found.length;
    for (const { pointer, detail } of found) {
      if (shown.length < faultsShown) shown.push({ pointer: `/recipients/${at}${pointer}`, detail });
    }
  };
  for (const [at, { to, parameters = {} }] of recipients.entries()) {
    const earlier = first.get(to);
    if (earlier === undefined) first.set(to, at);
    else {
      duplicates += 1;
      note([{ pointer: '/to', detail: `is given twice, first at /recipients/${earlier}/to` }], at);
    }
    note(parameterFaults(template, parameters), at);
  }
  return { shown, count, duplicates, faulty, fitsNone: !fitting };
}

/** Validates all recipients before anything is stored; lists the first hundred errors, with the total. */
export function assertSound(recipients: readonly BroadcastRecipient[], versions: Sendable): void {
  const { shown, count, fitsNone } = recipientFaults(recipients, versions);
  if (count === 0) return;
  const detail = `${counted(count, 'fault')} in the recipients${count > faultsShown ? `, the first ${faultsShown} of which are listed` : ''}; nothing was sent${fitsNone ? languagesOf(versions) : ''}`;
  throw new Problem('template-parameters-invalid', detail, { errors: shown });
}

export function assertAllWithinRules(
  rules: SendingRules,
  template: string,
  recipients: readonly BroadcastRecipient[],
): void {
  const check = createSendingCheck(rules);
  check.template(template, bodyPointers.template);
  for (const [at, { to }] of recipients.entries()) check.recipient(to, recipientPointer(at));
  check.assert();
}

export const recipientPointer = (at: number): string => `/recipients/${at}/to`;
