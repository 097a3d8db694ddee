import type { Agenda } from './agenda.ts';
import { type Journey, journeyTo, plainJourney, type Step } from './journeys.ts';
import { addRow, inboundRow } from './messages.ts';
import type { Choices, Contact, HistoryRow, SentMessage, Tenant } from './state.ts';
import {
  type Form,
  failedBody,
  newContactBody,
  receivedBody,
  sentBody,
  statusBody,
  type WebhookBody,
} from './webhook-bodies.ts';
import type { Webhooks } from './webhooks.ts';

/** What becomes of messages after the tenant took them: in its histories, and by webhooks. */
export interface Tracking {
  /** From now on the message is on its way. */
  sent(message: SentMessage): void;
  /** A customer wrote; the row is in the history by now. */
  received(row: HistoryRow, contact: Contact, how: Received): void;
  /** A customer's message quotes that row. */
  quoted(row: HistoryRow, at: number): void;
  /** What the customer can tap there, if the tenant sent it. */
  choicesOf(row: HistoryRow): Choices | undefined;
  /** What has to be posted and answered before the sends of the current call are; empty where nothing has. */
  takeEarly(): readonly Promise<void>[];
  clear(): void;
}

export interface Received {
  /** He never wrote before. */
  readonly first?: boolean;
  /** His number is behind his username. */
  readonly hidden?: boolean;
}

interface TrackingOptions {
  readonly agenda: Agenda;
  readonly tenant: Tenant;
  readonly webhooks: Webhooks;
}

export function createTracking({ agenda, tenant, webhooks }: TrackingOptions): Tracking {
  let early: Promise<void>[] = [];
  /** Messages by their rows, for replies that come later. */
  const messages = new WeakMap<HistoryRow, SentMessage>();

  /** WATI's events of one fact, as they are ticked: plain ones first. */
  function forms(all: boolean): Form[] {
    const { twins, bsuid } = webhooks.settings;
    const versions = all || twins === true ? [false, true] : [twins !== 'plain'];
    return [false, ...(bsuid ? [true] : [])].flatMap((withBsuid) => versions.map((v2) => ({ v2, bsuid: withBsuid })));
  }

  function bodiesOf(message: SentMessage, { fact, failure }: Step, journey: Journey): readonly WebhookBody[] {
    const wanted = forms(journey.times !== undefined);
    if (failure) return [failedBody(message, failure)];
    if (fact === 'sent') {
      const exists = ({ v2, bsuid }: Form) => v2 || !bsuid || message.template === undefined;
      return wanted.filter(exists).map((form) => sentBody(message, form));
    }
    if (fact === 'failed') return [];
    // A status names nobody, so there is no `_bsuid` twin of it.
    return wanted.filter(({ bsuid }) => !bsuid).map((form) => statusBody(message, fact, form));
  }

  function follow(message: SentMessage, journey: Journey, step: Step, number: number): void {
    const { row, contact } = message;
    const takenAt = Date.parse(row.created);
    // Its ids are made now, so that they do not depend on when it is written.
    const reply = step.fact === 'replied' ? replyTo(message, journey, takenAt + step.afterMs) : undefined;
    agenda.at(takenAt + step.afterMs, () => {
      apply(row, step);
      if (reply) addRow(tenant, contact, reply);
    });
    if (journey.silent) return;
    const prompt = journey.early === true && step.fact === 'sent';
    const times = journey.times === undefined ? {} : { times: journey.times };
    const at = takenAt + (step.postedMs ?? step.afterMs);
    const telling = { lane: row.id, recipient: contact.phone, at, prompt, ...times };
    const tell = (): Promise<void> => {
      const name = `${number}:${step.fact}`;
      const bodies = reply ? received(reply, contact, journey.reply === 'bsuid') : [];
      void webhooks.tell({ ...telling, name: `${name}:reply`, bodies });
      return webhooks.tell({ ...telling, name, bodies: bodiesOf(message, step, journey) });
    };
    if (prompt) early.push(tell());
    else agenda.at(at, () => void tell());
  }

  function replyTo({ row, contact, choices }: SentMessage, journey: Journey, at: number): HistoryRow {
    const text = journey.reply === 'tap' ? (choices.labels[0] ?? 'Yes') : 'Thank you';
    const reply = inboundRow(tenant.ids, contact, text, at);
    const quote = { replyContextId: row.whatsappMessageId ?? null };
    return { ...reply, ...quote, ...(journey.reply === 'tap' ? tapOf(text, choices.field) : {}) };
  }

  function received(row: HistoryRow, contact: Contact, hidden: boolean): readonly WebhookBody[] {
    const versions = webhooks.settings.bsuid ? [false, true] : [false];
    return versions.map((bsuid) => receivedBody(row, contact, { bsuid, hidden }));
  }

  return {
    sent(message) {
      const { row, contact } = message;
      messages.set(row, message);
      const journey = tenant.settings.magic ? journeyTo(contact.phone) : plainJourney;
      if (webhooks.settings.bsuid || journey.reply === 'bsuid') contact.bsuid ??= bsuidOf(contact);
      const number = webhooks.number();
      for (const step of journey.steps) follow(message, journey, step, number);
    },
    received(row, contact, { first = false, hidden = false }) {
      const about = { lane: `from ${contact.phone}`, recipient: contact.phone, at: Date.parse(row.created) };
      if (webhooks.settings.bsuid) contact.bsuid ??= bsuidOf(contact);
      const number = webhooks.number();
      const versions = webhooks.settings.bsuid ? [false, true] : [false];
      const introduced = first ? versions.map((bsuid) => newContactBody(row, contact, bsuid)) : [];
      const bodies = [...introduced, ...received(row, contact, hidden)];
      void webhooks.tell({ ...about, name: `${number}:received`, bodies });
    },
    quoted(row, at) {
      const message = messages.get(row);
      if (!message) return;
      const step: Step = { fact: 'replied', afterMs: 0 };
      apply(row, step);
      const bodies = bodiesOf(message, step, plainJourney);
      const about = { lane: row.id, recipient: message.contact.phone, at };
      void webhooks.tell({ ...about, name: `${webhooks.number()}:quoted`, bodies });
    },
    choicesOf: (row) => messages.get(row)?.choices,
    takeEarly() {
      const taken = early;
      early = [];
      return taken;
    },
    clear() {
      early = [];
    },
  };
}

function apply(row: HistoryRow, { fact, failure }: Step): void {
  row.statusString = fact.toUpperCase();
  row.failedCode = failure?.code ?? null;
  row.failedDetail = failure?.detail ?? null;
}

/** How a tap is told: of a template's button by its payload, of a session message's choice by its title. */
export function tapOf(label: string, field: Choices['field']) {
  return field === 'buttonReply'
    ? { type: 'button', buttonReply: { payload: label, text: label } }
    : { type: 'interactive', [field]: { id: '0', title: label } };
}

/** One that is always the same for the contact. */
const bsuidOf = ({ id }: Contact) => `US.${BigInt(`0x${id}`)}`;
