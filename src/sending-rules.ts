import type { Caller } from './callers.ts';
import { counted } from './lib/counted.ts';
import { type FieldError, Problem } from './problem.ts';

/** What the entry of a caller narrows its sends to; what is absent narrows nothing. `[]` lets nothing through. */
export type SendingRules = Pick<Caller, 'recipients' | 'templates'> & { countries?: readonly string[] };

/** What is to be sent. */
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
/** Of a message that is sent again: its path names both. */
export const recordPointers: SendingPointers = { to: '/path/id', template: '/path/id' };

/** As many as are told of other faults. */
const faultsShown = 100;

/**
 * Throws `sending-forbidden` where the caller may not send this: the one place where the recipients and templates of its
 * entry count. Sends without a template (texts, files, buttons, lists) are narrowed by their recipients alone.
 */
export function assertWithinRules(rules: SendingRules, sending: Sending, pointers: SendingPointers): void {
  const check = createSendingCheck(rules);
  check.template(sending.template, pointers.template);
  if (sending.to !== undefined) check.recipient(sending.to, pointers.to);
  check.assert();
}

/** The same for many: every recipient is looked at before the whole is refused. */
export interface SendingCheck {
  template(name: string | undefined, pointer: string): void;
  recipient(to: string, pointer: string): void;
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
      if (mayReach && !mayReach(to)) note(pointer, 'your key may not send to this recipient');
    },
    assert: () => {
      if (faults === 0) return;
      const more = faults > faultsShown ? `, the first ${faultsShown} of which are listed` : '';
      const count = `your key may not send this: ${counted(faults, 'fault')}${more}; nothing was sent`;
      throw new Problem('sending-forbidden', count, { errors: shown });
    },
  };
}

/**
 * Native calls say nowhere in one form to whom and what they send: a caller whose sends are narrowed, or counted, makes none
 * that could send.
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

/** Exact ones, and beginnings that end in `*`. A leading plus says nothing, here as in a request; nor does the case of an id. */
function matcherOf(recipients: readonly string[]): (to: string) => boolean {
  const plain = recipients.map(bare);
  const exact = new Set(plain.filter((each) => !each.endsWith('*')));
  const beginnings = plain.filter((each) => each.endsWith('*')).map((each) => each.slice(0, -1));
  return (to) => {
    const asked = bare(to);
    // A beginning is of a number: a contact id may begin with any digits.
    return (
      exact.has(asked) || (/^\d{7,15}$/.test(asked) && beginnings.some((beginning) => asked.startsWith(beginning)))
    );
  };
}

const bare = (recipient: string): string => recipient.replace(/^\+/, '').toLowerCase();
