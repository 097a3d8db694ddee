import type { Step } from './journeys.ts';
import type { Contact, HistoryRow, SentMessage } from './state.ts';
import {
  type ButtonClick,
  clickedBody,
  type Form,
  failedBody,
  newContactBody,
  receivedBody,
  sentBody,
  statusBody,
  type WebhookBody,
} from './webhook-bodies.ts';
import type { WebhookSettings } from './webhook-settings.ts';

/** The events that are ticked at WATI. */
type Ticked = Pick<WebhookSettings, 'twins' | 'bsuid'>;

/** WATI's events of one fact about an outgoing message, plain ones first. */
export function tellOfSent(message: SentMessage, { fact, failure }: Step, ticked: Ticked): readonly WebhookBody[] {
  if (failure) return [failedBody(message, failure)];
  if (fact === 'failed') return [];
  const forms = formsOf(ticked);
  // A status names no customer, so it has no `_bsuid` twin.
  if (fact !== 'sent') return forms.filter(({ bsuid }) => !bsuid).map((form) => statusBody(message, fact, form));
  const exists = ({ v2, bsuid }: Form) => v2 || !bsuid || message.template === undefined;
  return forms.filter(exists).map((form) => sentBody(message, form));
}

/** WATI's events of a message from a customer; `hidden`: the number is behind the username. */
export function tellOfReceived(
  { row, contact, hidden }: { readonly row: HistoryRow; readonly contact: Contact; readonly hidden: boolean },
  { bsuid }: Ticked,
): readonly WebhookBody[] {
  return twins(bsuid).map((withBsuid) => receivedBody(row, contact, { bsuid: withBsuid, hidden }));
}

/** WATI's events of a tap on a button with a link. */
export function tellOfClicked(message: SentMessage, click: ButtonClick, { bsuid }: Ticked): readonly WebhookBody[] {
  return twins(bsuid).map((withBsuid) => clickedBody(message, click, { bsuid: withBsuid }));
}

/** WATI's events of a new customer. */
export function tellOfNewContact(row: HistoryRow, contact: Contact, { bsuid }: Ticked): readonly WebhookBody[] {
  return twins(bsuid).map((withBsuid) => newContactBody(row, contact, withBsuid));
}

/** The names of all ticked events, as WATI lists them. */
export function tickedEvents(ticked: Ticked): readonly string[] {
  const suffixes = formsOf(ticked).map(({ v2, bsuid }) => `${v2 ? '_v2' : ''}${bsuid ? '_bsuid' : ''}`);
  const names = ['templateMessageSent', 'sessionMessageSent'].flatMap((name) => suffixes.map((each) => name + each));
  const states = ['DELIVERED', 'READ', 'REPLIED'].flatMap((state) =>
    suffixes.filter((each) => !each.includes('bsuid')).map((each) => `sentMessage${state}${each}`),
  );
  const received = ['ctaUrlClicked', 'message', 'newContactMessageReceived'].flatMap((name) =>
    twins(ticked.bsuid).map((withBsuid) => (withBsuid ? `${name}_bsuid` : name)),
  );
  return [...names, ...states, 'templateMessageFailed', 'sessionMessageFailed', ...received];
}

function formsOf({ twins: wanted, bsuid }: Ticked): readonly Form[] {
  const versions = wanted === true ? [false, true] : [wanted !== 'plain'];
  return twins(bsuid).flatMap((withBsuid) => versions.map((v2) => ({ v2, bsuid: withBsuid })));
}

const twins = (bsuid: boolean): readonly boolean[] => (bsuid ? [false, true] : [false]);
