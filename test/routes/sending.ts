import type { Operation } from '../../src/simulator/operations.ts';
import type { Subject } from './outcomes.ts';

/** The sending routes with a JSON body, each with the least that it takes. */
const rows: [name: string, operation: Operation, body: object][] = [
  ['text', 'sendSessionMessage', { text: 'Hello' }],
  ['file-link', 'sendSessionFileViaUrl', { url: 'https://example.com/a.pdf' }],
  ['buttons', 'sendInteractiveButtonsMessage', { body: 'Shall we?', buttons: [{ text: 'Yes' }] }],
  [
    'list',
    'sendInteractiveListMessage',
    { body: 'When?', buttonText: 'Choose', sections: [{ title: 'Monday', rows: [{ title: '9:00' }] }] },
  ],
  ['template', 'sendTemplateMessagesV2', { template: 'welcome' }],
];

export const sendingTo = (to: (at: number) => string): Subject[] =>
  rows.map(([name, operation, body], at) => ({
    name,
    operation,
    method: 'POST',
    path: `/v1/messages/${name}`,
    ask: { json: { to: to(at), ...body } },
  }));
