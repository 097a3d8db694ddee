import type { BroadcastRecipient } from '../src/broadcasts/types.ts';
import { counted } from '../src/lib/counted.ts';
import { type FieldError, Problem } from '../src/problem.ts';
import { bodyPointers, createSendingCheck, type SendingRules } from '../src/sending-rules.ts';
import { languagesOf, parameterFaults, type Sendable } from '../src/templates/template-validation.ts';
import type { WatiTemplate } from '../src/upstream/templates.ts';

const faultsShown = 100;

/** Validates all recipients before anything is stored; lists the first hundred errors, with the total. */
export function assertSound(recipients: readonly BroadcastRecipient[], versions: Sendable): void {
  const fits = (each: WatiTemplate) =>
    recipients.every(({ parameters = {} }) => parameterFaults(each, parameters).length === 0);
  const fitting = versions.find(fits);
  const template = fitting ?? versions[0];
  const first = new Map<string, number>();
  const shown: FieldError[] = [];
  let faults = 0;
  const note = (found: readonly FieldError[], at: number) => {
    faults += found.length;
    for (const { pointer, detail } of found) {
      if (shown.length < faultsShown) shown.push({ pointer: `/recipients/${at}${pointer}`, detail });
    }
  };
  for (const [at, { to, parameters = {} }] of recipients.entries()) {
    const earlier = first.get(to);
    if (earlier === undefined) first.set(to, at);
    else note([{ pointer: '/to', detail: `is given twice, first at /recipients/${earlier}/to` }], at);
    note(parameterFaults(template, parameters), at);
  }
  if (faults === 0) return;
  const detail = `${counted(faults, 'fault')} in the recipients${faults > faultsShown ? `, the first ${faultsShown} of which are listed` : ''}; nothing was sent${fitting ? '' : languagesOf(versions)}`;
  throw new Problem('template-parameters-invalid', detail, { errors: shown });
}

export function assertAllWithinRules(
  rules: SendingRules,
  template: string,
  recipients: readonly BroadcastRecipient[],
): void {
  const check = createSendingCheck(rules);
  check.template(template, bodyPointers.template);
  for (const [at, { to }] of recipients.entries()) check.recipient(to, `/recipients/${at}/to`);
  check.assert();
}
