import { randomUUID } from 'node:crypto';
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

export const textTo = (to: string, text: string): Subject => ({
  name: 'text',
  operation: 'sendSessionMessage',
  method: 'POST',
  path: '/v1/messages/text',
  ask: { json: { to, text } },
});

const boundary = 'form-of-a-test';

export const formHeaders = { 'content-type': `multipart/form-data; boundary=${boundary}` };

/** A form with one file, as its bytes; `end: false` leaves it without its last boundary. */
export function formOf(content: string | Buffer, type = 'text/plain', name = 'a.txt', end = true): Buffer {
  const head = `--${boundary}\r\nContent-Disposition: form-data; name="file"; filename="${name}"\r\nContent-Type: ${type}\r\n\r\n`;
  return Buffer.concat([Buffer.from(head), Buffer.from(content), Buffer.from(end ? `\r\n--${boundary}--\r\n` : '')]);
}

export const fileSubject = (to: string, content: string | Buffer = 'The small print.'): Subject => ({
  name: 'file',
  operation: 'sendSessionFile',
  method: 'POST',
  path: `/v1/messages/file?to=${to}`,
  ask: { body: formOf(content), headers: formHeaders },
});

/** Every call needs a key of its own. */
export const csvSubject = (to: string, key: string = randomUUID()): Subject => ({
  name: 'csv',
  operation: 'sendTemplateMessageCSV',
  method: 'POST',
  path: '/v1/broadcasts/csv?template=welcome&broadcastName=autumn',
  ask: {
    body: formOf(`Phone\r\n${to}\r\n`, 'text/csv', 'a.csv'),
    headers: { ...formHeaders, 'idempotency-key': key },
  },
});

/** The routes whose body flows through. */
export const streamingTo = (to: (at: number) => string): Subject[] => [fileSubject(to(5)), csvSubject(to(6))];
