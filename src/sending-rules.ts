import type { Caller } from './callers.ts';
import { counted } from './lib/counted.ts';
import { type FieldError, Problem } from './problem.ts';

/** What the entry of a caller allows it to send. An absent property restricts nothing; `[]` allows nothing. */
export type SendingRules = Pick<Caller, 'recipients' | 'templates'> & { countries?: readonly string[] };

/** The message that is to be sent. */
export interface Sending {
  to?: string;
  template?: string;
}

/** Where a request names its recipient and its template (RFC 6901). */
export interface SendingPointers {
  to: string;
  template: string;
}

export const bodyPointers: SendingPointers = { to: '/to', template: '/template' };
export const queryPointers: SendingPointers = { to: '/query/to', template: '/query/template' };
/** For a resend: its path names the message, and thereby recipient and template. */
export const recordPointers: SendingPointers = { to: '/path/id', template: '/path/id' };

/** The most faults that are listed. */
const faultsShown = 100;

/**
 * Throws `sending-forbidden` if the caller may not send this. The only place where the recipients and templates of a caller's
 * entry are checked. Messages without a template (texts, files, buttons, lists) are restricted by their recipients alone.
 */
export function assertWithinRules(rules: SendingRules, sending: Sending, pointers: SendingPointers): void {
  if (rules.recipients === undefined && rules.templates === undefined) return;
  const check = createSendingCheck(rules);
  check.template(sending.template, pointers.template);
  if (sending.to !== undefined) check.recipient(sending.to, pointers.to);
  check.assert();
}

/** The same for many recipients: all of them are checked before the request is refused. */
export interface SendingCheck {
  template(name: string | undefined, pointer: string): void;
  /** Returns false if the caller may not send to this recipient. */
  recipient(to: string, pointer: string): boolean;
  /** Returns the number of faults so far, and the first hundred. */
  found(): { faultCount: number; faults: readonly FieldError[] };
  /** Throws `sending-forbidden` with the first hundred faults and their number. */
  assert(): void;
}

export function createSendingCheck({ recipients, templates }: SendingRules): SendingCheck {
  const mayReach = recipients && matcherOf(recipients);
  const shown: FieldError[] = [];
  let faults = 0;
  const note = (pointer: string, detail: string) => {
    faults += 1;
    if (shown.length < faultsShown) shown.push({ pointer, detail });
  };
  return {
    template: (name, pointer) => {
      if (name === undefined || templates === undefined || templates.includes(name)) return;
      note(pointer, `your key may not send this template; it may send ${templates.join(', ') || 'none'}`);
    },
    recipient: (to, pointer) => {
      if (!mayReach || mayReach(to)) return true;
      note(pointer, 'your key may not send to this recipient');
      return false;
    },
    found: () => ({ faultCount: faults, faults: shown }),
    assert: () => {
      if (faults === 0) return;
      const more = faults > faultsShown ? `, the first ${faultsShown} of which are listed` : '';
      const count = `your key may not send this: ${counted(faults, 'fault')}${more}; nothing was sent`;
      throw new Problem('sending-forbidden', count, { errors: shown });
    },
  };
}

/**
 * The recipient and content of native calls cannot be recognized. So a caller with any restriction or quota for sending may not
 * make native calls that could send.
 */
export function assertMayCallNative(
  rules: SendingRules & Pick<Caller, 'messagesPerHour' | 'messagesPerDay'>,
  method: string,
): void {
  const { recipients, templates, countries, messagesPerHour, messagesPerDay } = rules;
  if (method === 'GET' || method === 'HEAD') return;
  const narrowed = [recipients, templates, countries, messagesPerHour, messagesPerDay].some(
    (rule) => rule !== undefined,
  );
  if (!narrowed) return;
  const detail = 'your key is narrowed in what it may send, and native calls other than GET could pass that by';
  throw new Problem('sending-forbidden', `${detail}; nothing was sent`);
}

/** Matches exact recipients, and prefixes that end in `*`. A leading plus and the case of an id make no difference. */
function matcherOf(recipients: readonly string[]): (to: string) => boolean {
  const plain = recipients.map(bare);
  const exact = new Set(plain.filter((each) => !each.endsWith('*')));
  const beginnings = plain.filter((each) => each.endsWith('*')).map((each) => each.slice(0, -1));
  return (to) => {
    const asked = bare(to);
    // A prefix applies to numbers only: a contact id may begin with the same digits.
    return (
      exact.has(asked) || (/^\d{7,15}$/.test(asked) && beginnings.some((beginning) => asked.startsWith(beginning)))
    );
  };
}

const bare = (recipient: string): string => recipient.replace(/^\+/, '').toLowerCase();
