import type { Agenda } from './agenda.ts';
import { type Journey, journeyTo, plainJourney, type Step } from './journeys.ts';
import { addRow, inboundRow } from './messages.ts';
import type { Choices, Contact, HistoryRow, SentMessage, Tenant } from './state.ts';
import type { ButtonClick } from './webhook-bodies.ts';
import { tellOfClicked, tellOfNewContact, tellOfReceived, tellOfSent } from './webhook-forms.ts';
import type { Webhooks } from './webhooks.ts';

interface Received {
  readonly row: HistoryRow;
  readonly contact: Contact;
  /** The customer's first message. */
  readonly first: boolean;
  /** The customer's number is hidden behind the username. */
  readonly hidden: boolean;
}

interface TrackingOptions {
  readonly agenda: Agenda;
  readonly tenant: Tenant;
  readonly webhooks: Webhooks;
}

/** Follows messages after the tenant accepted them: in its histories, and by webhooks. */
export class Tracking {
  readonly #agenda: Agenda;
  readonly #tenant: Tenant;
  readonly #webhooks: Webhooks;
  /** Messages by their rows, for later replies. */
  readonly #messages = new WeakMap<HistoryRow, SentMessage>();
  #early: Promise<void>[] = [];
  #isSilent = false;

  constructor({ agenda, tenant, webhooks }: TrackingOptions) {
    this.#agenda = agenda;
    this.#tenant = tenant;
    this.#webhooks = webhooks;
  }

  /** The message is sent from now on. */
  sent(message: SentMessage): void {
    const { row, contact } = message;
    this.#messages.set(row, message);
    const usual = this.#tenant.settings.magic ? journeyTo(contact.phone) : plainJourney;
    const journey: Journey = this.#isSilent ? { ...usual, silent: true } : usual;
    if (this.#webhooks.settings.bsuid || journey.reply === 'bsuid') contact.bsuid ??= bsuidOf(contact);
    const number = this.#webhooks.number();
    for (const step of journey.steps) this.#follow(message, journey, { step, number });
  }

  /** A customer wrote; the row is in the history already. */
  received({ row, contact, first, hidden }: Received): void {
    const { settings } = this.#webhooks;
    if (settings.bsuid) contact.bsuid ??= bsuidOf(contact);
    const introduced = first ? tellOfNewContact(row, contact, settings) : [];
    void this.#webhooks.tell({
      name: `${this.#webhooks.number()}:received`,
      lane: `from ${contact.phone}`,
      recipient: contact.phone,
      at: Date.parse(row.created),
      bodies: [...introduced, ...tellOfReceived({ row, contact, hidden }, settings)],
    });
  }

  /** A customer's message quotes that row. */
  quoted(row: HistoryRow, at: number): void {
    const message = this.#messages.get(row);
    if (!message) return;
    const step: Step = { fact: 'replied', afterMs: 0 };
    apply(row, step);
    void this.#webhooks.tell({
      name: `${this.#webhooks.number()}:quoted`,
      lane: row.id,
      recipient: message.contact.phone,
      at,
      bodies: tellOfSent(message, step, this.#webhooks.settings),
    });
  }

  /** A customer opened the link of a button of this message. */
  clicked(message: SentMessage, click: ButtonClick): void {
    const { row, contact } = message;
    void this.#webhooks.tell({
      name: `${this.#webhooks.number()}:clicked`,
      lane: row.id,
      recipient: contact.phone,
      at: click.at,
      bodies: tellOfClicked(message, click, this.#webhooks.settings),
    });
  }

  /** Returns the message of that row if it was sent by a call. */
  messageOf(row: HistoryRow): SentMessage | undefined {
    return this.#messages.get(row);
  }

  /** Messages that `run` sends never cause webhooks; they appear in histories. */
  silenced<T>(run: () => T): T {
    this.#isSilent = true;
    try {
      return run();
    } finally {
      this.#isSilent = false;
    }
  }

  /** Webhooks that are posted and answered before the current call is answered; may be empty. */
  takeEarly(): readonly Promise<void>[] {
    return this.#early.splice(0);
  }

  clear(): void {
    this.#early = [];
  }

  #follow(message: SentMessage, journey: Journey, { step, number }: { step: Step; number: number }): void {
    const { row, contact } = message;
    const takenAt = Date.parse(row.created);
    // Its ids are made now, so that they do not depend on when it is written.
    const reply = step.fact === 'replied' ? this.#replyTo(message, journey, takenAt + step.afterMs) : undefined;
    this.#agenda.at(takenAt + step.afterMs, () => {
      apply(row, step);
      if (reply) addRow(this.#tenant, contact, reply);
    });
    if (journey.silent) return;
    const at = takenAt + (step.postedMs ?? step.afterMs);
    const prompt = journey.early === true && step.fact === 'sent';
    const tell = (): Promise<void> => {
      const { settings } = this.#webhooks;
      const ticked = journey.times === undefined ? settings : { ...settings, twins: true };
      const hidden = journey.reply === 'bsuid';
      const written = reply ? tellOfReceived({ row: reply, contact, hidden }, settings) : [];
      return this.#webhooks.tell({
        name: `${number}:${step.fact}`,
        lane: row.id,
        recipient: contact.phone,
        at,
        bodies: [...written, ...tellOfSent(message, step, ticked)],
        prompt,
        ...(journey.times === undefined ? {} : { times: journey.times }),
      });
    };
    if (prompt) this.#early.push(tell());
    else this.#agenda.at(at, () => void tell());
  }

  #replyTo({ row, contact, choices }: SentMessage, { reply }: Journey, at: number): HistoryRow {
    const text = reply === 'tap' ? (choices.labels[0] ?? 'Yes') : 'Thank you';
    return {
      ...inboundRow(this.#tenant.ids, contact, { text, at }),
      replyContextId: row.whatsappMessageId ?? null,
      ...(reply === 'tap' ? tapOf(text, choices.field) : {}),
    };
  }
}

function apply(row: HistoryRow, { fact, failure }: Step): void {
  row.statusString = fact.toUpperCase();
  row.failedCode = failure?.code ?? null;
  row.failedDetail = failure?.detail ?? null;
}

/** A tap on a template's button contains its payload; a choice in a session message contains its title. */
export function tapOf(label: string, field: Choices['field']) {
  return field === 'buttonReply'
    ? { type: 'button', buttonReply: { payload: label, text: label } }
    : { type: 'interactive', [field]: { id: '0', title: label } };
}

/** An id that is always the same for the contact. */
const bsuidOf = ({ id }: Contact) => `US.${BigInt(`0x${id}`)}`;
