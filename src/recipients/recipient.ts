import type { NumberReading, PhoneNumbers } from './phone-numbers.ts';

const contactId = /^[0-9a-f]{24}$/;
const bsuid = /^[A-Z]{2}\.(ENT\.)?[A-Za-z0-9]{1,128}$/;

export const isPhone = (recipient: string): boolean => /^\d{7,15}$/.test(recipient);

/** The recipient. A contact id or a BSUID may replace the number where WATI accepts a `target`. */
export function readRecipient(numbers: PhoneNumbers, text: string, kind: 'phone' | 'any'): NumberReading {
  const isId = contactId.test(text) || bsuid.test(text);
  if (!isId) return numbers.read(text);
  return kind === 'any' ? { to: text } : { fault: 'is an id: a phone number with its country code is needed here' };
}
