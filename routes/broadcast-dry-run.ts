import type { BroadcastRecipient, BroadcastRequester, Broadcasts } from '../src/broadcasts/types.ts';
import type { FieldError } from '../src/problem.ts';
import type { BroadcastDryRun } from '../src/schemas/dry-run.ts';
import { createSendingCheck, type SendingCheck, type SendingRules } from '../src/sending-rules.ts';
import { parameterFaults, type Sendable } from '../src/templates/template-validation.ts';
import { recipientFaults, recipientPointer } from './broadcast-recipients.ts';
import { render } from './rendered-template.ts';

const samplesMax = 3;
const faultsShown = 100;
/** Numbers per lookup. Each lookup blocks SQLite's thread for about a millisecond. */
const lookedUpMax = 200;

/** The result of checking recipients; `faults` are the first hundred. */
export interface Found {
  recipients: number;
  valid: number;
  duplicates: number;
  faultCount: number;
  faults: readonly FieldError[];
}

interface DryRunParts {
  broadcasts: Pick<Broadcasts, 'countOptedOut' | 'outlook'>;
  requester: BroadcastRequester;
  connection: string;
  versions: Sendable;
}

/** Examines valid recipients as they arrive, and keeps only three of them. */
export class DryRun {
  readonly #parts: DryRunParts;
  readonly #samples: BroadcastDryRun['samples'] = [];
  #waiting: string[] = [];
  #optedOut = 0;

  constructor(parts: DryRunParts) {
    this.#parts = parts;
  }

  /** Synchronous, because a file is read row by row. */
  note({ to, parameters = {} }: BroadcastRecipient): void {
    this.#waiting.push(to);
    if (this.#samples.length >= samplesMax) return;
    const { versions } = this.#parts;
    const template = versions.find((each) => parameterFaults(each, parameters).length === 0) ?? versions[0];
    this.#samples.push({ to, message: render(template, parameters) });
  }

  /** Call between chunks of a file. */
  async lookUp(): Promise<void> {
    const { broadcasts, requester } = this.#parts;
    const numbers = this.#waiting;
    this.#waiting = [];
    for (let from = 0; from < numbers.length; from += lookedUpMax) {
      this.#optedOut += await broadcasts.countOptedOut(requester.caller, numbers.slice(from, from + lookedUpMax));
    }
  }

  async answer({ recipients, valid, duplicates, faultCount, faults }: Found, perMinute: number | undefined) {
    await this.lookUp();
    const { broadcasts, requester, connection } = this.#parts;
    const outlook = await broadcasts.outlook(requester, { connection, recipients: valid, perMinute });
    const answer: BroadcastDryRun = {
      recipients,
      valid,
      duplicates,
      optedOut: this.#optedOut,
      faultCount,
      faults: [...faults],
      samples: this.#samples,
      ...outlook,
    };
    return answer;
  }
}

/** Checks the recipients of a JSON body. */
export async function dryRunOfList(
  parts: DryRunParts & { rules: SendingRules },
  recipients: readonly BroadcastRecipient[],
  perMinute: number | undefined,
): Promise<BroadcastDryRun> {
  const { shown, count, duplicates, faulty } = recipientFaults(recipients, parts.versions);
  const mayReach = createSendingCheck(parts.rules);
  const run = new DryRun(parts);
  let valid = 0;
  for (const [at, recipient] of recipients.entries()) {
    if (!mayReach.recipient(recipient.to, recipientPointer(at)) || faulty.has(at)) continue;
    valid += 1;
    run.note(recipient);
  }
  return run.answer(
    withFaults({ recipients: recipients.length, valid, duplicates, faultCount: count, faults: shown }, mayReach),
    perMinute,
  );
}

/** Adds the recipients that the caller's entry forbids. */
export function withFaults(found: Found, mayReach: Pick<SendingCheck, 'found'>): Found {
  const { faults, faultCount } = mayReach.found();
  return {
    ...found,
    faultCount: found.faultCount + faultCount,
    faults: [...found.faults, ...faults].slice(0, faultsShown),
  };
}
