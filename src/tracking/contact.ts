import { isPhone } from '../recipients/recipient.ts';
import type { ContactIdentity } from '../store/tracking-store.ts';

/** A recipient as it is recorded: digits, a BSUID, or an id of WATI. */
export function contactNamed(recipient: string): Pick<ContactIdentity, 'phone' | 'bsuid' | 'contactId'> {
  if (isPhone(recipient)) return { phone: recipient };
  return recipient.includes('.') ? { bsuid: recipient } : { contactId: recipient };
}
