import fc from 'fast-check';
import { expect, it } from 'vitest';
import { scrubErrorText } from '../../src/upstream/scrub-error-text.ts';
import { anyCharacter } from '../support/any-character.ts';

/** What a caller has to read to act. */
const kept = [
  "Can't find Contact",
  'Ticket has been expired, send a template message instead',
  '(#132000) Number of parameters does not match the expected number of params',
  'Template order_confirmation_2024_v2 does not exist in en_US',
  'Error 131047: Re-engagement message',
  'The parameter customer_name is blank; typos or blank text',
  'token expired, please renew it',
  'Only image/png and video/mp4 are taken, at most 16 MB (e.g. 5.2 MB)',
  'Größe überschritten: ½ 猫 \u{1F600}',
  'Limit of 250,000 messages reached for 2026-11-30',
  'sendTemplateMessagesRequestV2 is not valid',
];

it.each(kept)('keeps the words of a refusal: %s', (words) => expect(scrubErrorText(words)).toBe(words));

it.each([
  ['see https://ctrl.example/x?token=1&a=b for more', 'see [address] for more'],
  ['redis://user:pw@10.0.0.1:6379/0 is gone', '[address] is gone'],
  ['www.example.com/help', '[address]'],
  ['live-mt-server.wati.io refused, ask api.maton.ai.', '[host] refused, ask [host].'],
  ['no route to db.prod.internal.corp', 'no route to [host]'],
  ['bücher.example and xn--bcher-kva.xn--p1ai', '[host] and [host]'],
  ['connect ECONNREFUSED redis-master-0:6379', 'connect ECONNREFUSED [host]'],
  ['getaddrinfo ENOTFOUND localhost:27017', 'getaddrinfo ENOTFOUND [host]'],
  ['from 10.11.12.13:8080 and 192.168.0.0/16', 'from [address] and [address]'],
  ['from fe80::1 and 2001:db8:0:0:0:0:0:1', 'from [address] and [address]'],
  ['ask asha.k@example.com (owner)', 'ask [e-mail] (owner)'],
  ['Bearer abc.def refused', '[credentials] refused'],
  ['Authorization: Bearer abcdef', 'Authorization: [credentials]'],
  ['Authorization: Basic dXNlcjpwdw==', 'Authorization: Basic [credentials]'],
  ['invalid api key abc123-xyz', 'invalid api key [credentials]'],
  ['invalid api_key=abc and password: hunter2', 'invalid api_key=[credentials] and password: [credentials]'],
  ['x-api-key:abcdef was not taken', 'x-api-key:[credentials] was not taken'],
  ['{"token":"s3cr3t-value"}', '{"token":"[credentials]"}'],
  ['sk_live_4eC39HqLyjWDarjtT1zdP7dc', '[credentials]'],
  ['eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJlMQ', '[credentials]'],
  ['QWxhZGRpbjpPcGVuU2VzYW1lQWxh was not taken', '[credentials] was not taken'],
  ['trace 21fd90f9-5935-43cd-b6c8-bde9d915ca80', 'trace [credentials]'],
  ['no contact 14155551234 or +49 (151) 123-45678', 'no contact ***1234 or +***5678'],
  ['card 4111 1111 1111 1111', 'card ***1111'],
  ['cannot read /usr/src/app/config.json', 'cannot read [path]'],
  ['cannot read C:\\inetpub\\wati\\web.config', 'cannot read [path]'],
  [
    "Cannot read properties of undefined (reading 'id') at Object.send (/app/src/send.js:12:7) at x",
    "Cannot read properties of undefined (reading 'id') [stack]",
  ],
  [
    'Object reference not set to an instance of an object.\n   at Wati.Api.Send(String to) in D:\\a\\Send.cs:line 12',
    'Object reference not set to an instance of an object. [stack]',
  ],
  ['boom Traceback (most recent call last): File "/srv/x.py", line 3', 'boom [stack]'],
  ['one\r\n\ttwo\u202e\u200bthree\u0000', 'one twothree'],
])('masks what names places, people and secrets: %s', (words, expected) =>
  expect(scrubErrorText(words)).toBe(expected),
);

it('cuts at 300 characters, never within a character', () => {
  for (let before = 290; before < 302; before++) {
    const text = scrubErrorText(`${'x'.repeat(before)}${'\u{1F600}'.repeat(50)}`);
    expect(text.length).toBeLessThanOrEqual(300);
    expect(text.isWellFormed()).toBe(true);
    expect(text).toMatch(/\.\.\.$/);
  }
  expect(scrubErrorText('x'.repeat(300))).toBe('x'.repeat(300));
});

it('returns one short, well-formed line for any input', () => {
  fc.assert(
    fc.property(fc.string({ unit: anyCharacter, maxLength: 2_000 }), (words) => {
      const text = scrubErrorText(words);
      expect(text.length).toBeLessThanOrEqual(300);
      expect(text.isWellFormed()).toBe(true);
      expect(text).not.toMatch(/\p{Cc}/u);
    }),
  );
});
