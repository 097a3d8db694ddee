import type { MessageFilter } from '../../src/store/message-store.ts';

type Choices = { [Name in keyof MessageFilter]: readonly (MessageFilter[Name] | undefined)[] };

const choices: Choices = {
  reference: [undefined, 'A-77'],
  to: [undefined, '491'],
  broadcastId: [undefined, 'b'],
  template: [undefined, 't'],
  status: [undefined, 'queued', 'accepted', 'rejected'],
  delivery: [undefined, 'none', 'failed', 'replied'],
  since: [undefined, '2026-03-01T00:00:00Z'],
  until: [undefined, '2026-04-01T00:00:00Z'],
};

/** Returns all combinations of filters, with these values instead of the default ones. */
export function combinations(values: Choices = {}): MessageFilter[] {
  let found: MessageFilter[] = [{}];
  for (const [name, usual] of Object.entries({ ...choices, ...values })) {
    found = found.flatMap((filter) =>
      usual.map((value) => (value === undefined ? filter : { ...filter, [name]: value })),
    );
  }
  return found;
}
