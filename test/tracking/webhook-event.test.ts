import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readWebhookEvent } from '../../src/tracking/webhook-event.ts';
import { anyCharacter } from '../support/any-character.ts';

const statusNames = {
  sessionMessageSent: 'sent',
  templateMessageSent: 'sent',
  sentMessageDELIVERED: 'delivered',
  sentMessageREAD: 'read',
  sentMessageREPLIED: 'replied',
  templateMessageFailed: 'failed',
  sessionMessageFailed: 'failed',
  sentMessageFAILED: 'failed',
} as const;
const suffixes = ['', '_v2', '_bsuid', '_v2_bsuid', '_V2', '_BSUID_v2'];
const cases = [(name: string) => name, (name: string) => name.toLowerCase(), (name: string) => name.toUpperCase()];
/** Returns all spellings of a name. */
const written = (name: string) => suffixes.flatMap((suffix) => cases.map((inCase) => inCase(`${name}${suffix}`)));

const wamid = 'wamid.HBgLMTQxNTU1NTAxMDAVAgARGBI5QTNDQTVCM0Q0Q0Q2RTY3RTcA';
const local = '6f0c1d2e-3a4b-4c6d-8e8f-901234567890';
const watiId = '693fd65f1f0c2a7d5e0b1a2c';

const delivered = {
  eventType: 'sentMessageDELIVERED_v2',
  statusString: 'Delivered',
  localMessageId: local,
  id: watiId,
  whatsappMessageId: wamid,
  conversationId: '693fd65f1f0c2a7d5e0b1a2b',
  ticketId: '693fd65f1f0c2a7d5e0b1a2a',
  text: null,
  type: 'template',
  timestamp: '1796032800',
  assigneeId: null,
  operatorEmail: 'api@example.com',
  channelId: null,
  channelPhoneNumber: '14155550199',
};
const received = {
  id: watiId,
  created: '2026-11-30T10:00:00.1234567Z',
  whatsappMessageId: wamid,
  conversationId: '693fd65f1f0c2a7d5e0b1a2b',
  text: 'Yes please',
  type: 'text',
  timestamp: '1796032800',
  owner: false,
  eventType: 'message',
  statusString: 'SENT',
  waId: '14155550100',
  senderName: 'Asha',
  replyContextId: '',
  bsuid: 'US.1234567890',
  parentBsuid: 'US.ENT.99',
  username: '@asha',
};

describe('the name of an event', () => {
  it.each(Object.entries(statusNames))('%s is %s, in every case and with every suffix', (name, fact) => {
    for (const eventType of written(name)) {
      expect(readWebhookEvent({ eventType, id: watiId }), eventType).toMatchObject({
        kind: 'status',
        fact,
        ids: { watiId },
        label: name.toLowerCase(),
      });
    }
  });

  it.each([
    ['message', { owner: false, waId: '14155550100' }, 'received'],
    ['message', { owner: 'false', bsuid: 'US.1' }, 'received'],
    ['message', { owner: true, waId: '14155550100' }, 'outgoing'],
    ['message', { owner: 'True', waId: '14155550100' }, 'outgoing'],
    ['message', { owner: null, waId: '14155550100' }, 'ignored'],
    ['message', { waId: '14155550100', statusString: 'SENT' }, 'ignored'],
    ['message', { owner: false }, 'ignored'],
    ['newContactMessageReceived', { waId: '14155550100' }, 'identity'],
    ['newContactMessageReceived', {}, 'ignored'],
    ['ctaUrlClicked', { id: watiId }, 'clicked'],
    ['ctaUrlClicked', {}, 'ignored'],
    ...['templateReviewed', 'templateQualityUpdated', 'templateCategoryUpdated'].flatMap(
      (name): [string, object, string][] => [
        [name, { templateName: 'order_update' }, 'template'],
        [name, {}, 'ignored'],
      ],
    ),
    ['PhoneNumberQualityUpdatedEvent', {}, 'account'],
    ['phoneNumberDeleted', {}, 'account'],
    ['wabaStatusReviewUpdate', {}, 'account'],
    ['accountReviewUpdated', {}, 'account'],
    ['accountDeleted', {}, 'account'],
    ['accountUpdated', {}, 'account'],
  ])('%s with %j is %s', (name, more, kind) => {
    for (const eventType of written(name)) {
      expect(readWebhookEvent({ ...more, eventType }), eventType).toMatchObject({ kind, label: name.toLowerCase() });
    }
  });

  it.each([
    ...['threadUpdate', 'markedUnread', 'messageUndelivered', 'INVALID_NUMBER', 'broadcastMessage', 'sentMessage'],
    ...['xsentMessageREAD', 'sentMessageREADx', 'sentMessageREAD_v3', 'sentMessageREAD-v2', '_v2', '', 'constructor'],
    ...['whatsAppPaymentCaptured', 'sentMessageREAD_v2'.repeat(8), 7, null, undefined, ['sentMessageREAD'], {}],
  ])('%j moves nothing', (eventType) => {
    const event = readWebhookEvent({ ...delivered, eventType });
    expect(event).toEqual({ kind: 'ignored', label: 'other' });
  });

  it('is compared exactly: only known names change a state', () => {
    const known = new Set(Object.keys(statusNames).flatMap((name) => written(name).map((each) => each.toLowerCase())));
    const words = ['sent', 'message', 'read', 'delivered', 'failed', 'session', 'template', '_v2', '_bsuid', 'un', ' '];
    const name = fc.array(fc.constantFrom(...words), { maxLength: 5 }).map((parts) => parts.join(''));
    fc.assert(
      fc.property(name, (eventType) => {
        const { kind } = readWebhookEvent({ ...delivered, eventType });
        const plain = eventType
          .trim()
          .toLowerCase()
          .replace(/(_v2|_bsuid)+$/, '');
        expect(kind === 'status').toBe(known.has(plain));
      }),
    );
  });
});

describe('a webhook body', () => {
  it('of a status names its message', () => {
    expect(readWebhookEvent(delivered)).toEqual({
      kind: 'status',
      fact: 'delivered',
      ids: { localMessageId: local, whatsappMessageId: wamid, watiId },
      at: 1_796_032_800_000,
      recipient: { watiConversationId: delivered.conversationId },
      label: 'sentmessagedelivered',
    });
  });

  it.each<[string, object, object]>([
    [
      'an image',
      { type: 'image', text: null, data: 'https://live.wati.io/1/api/file/showFile?fileName=data/images/a.jpg' },
      { type: 'image', media: { path: 'data/images/a.jpg' } },
    ],
    [
      'a document',
      { type: 'document', text: 'invoice.pdf', data: 'data/documents/b.pdf' },
      { type: 'document', text: 'invoice.pdf', media: { path: 'data/documents/b.pdf' } },
    ],
    ['a file elsewhere', { type: 'image', text: null, data: 'https://example.com/a.jpg' }, { type: 'image' }],
    [
      'a quick reply',
      { type: 'button', text: 'Yes', buttonReply: { text: 'Yes', payload: 'p-1' } },
      { type: 'button', text: 'Yes', button: { text: 'Yes', payload: 'p-1' } },
    ],
    [
      'an interactive button',
      { type: 'interactive', text: null, interactiveButtonReply: { id: '1', title: 'Track' } },
      { type: 'interactive', text: 'Track', button: { text: 'Track' } },
    ],
    [
      'a row of a list',
      { type: 'interactive', text: null, listReply: '{"title":"Large","description":"12 inches"}' },
      { type: 'interactive', text: 'Large', button: { text: 'Large' } },
    ],
    ['a long text', { text: `${'x'.repeat(4_095)}😀` }, { type: 'text', text: 'x'.repeat(4_095), truncated: true }],
    ['nothing', { type: null, text: null }, { type: 'text' }],
    [
      'long words of a button',
      { text: null, buttonReply: { text: 'x'.repeat(9_999), payload: 'y'.repeat(9_999) } },
      { type: 'text', text: 'x'.repeat(4_096), button: { text: 'x'.repeat(512), payload: 'y'.repeat(512) } },
    ],
  ])('of a customer says what was written: %s', (_what, fields, content) => {
    expect(readWebhookEvent({ ...received, ...fields })).toHaveProperty('content', content);
  });

  it.each<[string, object, object]>([
    ['templateReviewed', { oldTemplateStatus: 1, newTemplateStatus: 2 }, { status: 'approved' }],
    [
      'templateReviewed',
      { newTemplateStatus: 3, reason: 'PROMOTIONAL' },
      { status: 'rejected', reason: 'PROMOTIONAL' },
    ],
    ['templateReviewed', { newTemplateStatus: '7', reason: 'NONE' }, { status: 'paused' }],
    ['templateReviewed', { newTemplateStatus: 'PENDING_INTERNAL' }, { status: 'pending-internal' }],
    ['templateReviewed', { newTemplateStatus: 99 }, {}],
    ['templateQualityUpdated', { oldTemplateQuality: 0, newTemplateQuality: 1 }, { quality: 'green' }],
    ['templateCategoryUpdated', { newTemplateCategory: 'MARKETING' }, { category: 'marketing' }],
  ])('of %s with %j says what is new of the template', (eventType, fields, changed) => {
    const event = readWebhookEvent({ eventType, templateName: 'order_update', channelId: null, ...fields });
    expect(event).toMatchObject({ kind: 'template', template: { name: 'order_update', ...changed } });
    expect(event.kind === 'template' && Object.keys(event.template)).toEqual(['name', ...Object.keys(changed)]);
  });

  it('of an account says what happened, in its own words', () => {
    const flagged = {
      eventType: 'PhoneNumberQualityUpdatedEvent',
      phoneNumber: '14155550199',
      event: 'FLAGGED',
      currentLimit: 'TIER_1K',
      more: {},
    };
    expect(readWebhookEvent(flagged)).toMatchObject({
      account: { what: 'number-quality', detail: 'phoneNumber: 14155550199, event: FLAGGED, currentLimit: TIER_1K' },
    });
    const review = { eventType: 'accountReviewUpdated', wabaId: '1', decision: 'APPROVED' };
    expect(readWebhookEvent(review)).toMatchObject({
      account: { what: 'account-review', detail: 'wabaId: 1, decision: APPROVED' },
    });
    const broken = { eventType: 'accountUpdated', 'a\0b': 'c\u200bd\r\ne\ud800' };
    expect(readWebhookEvent(broken)).toMatchObject({ account: { detail: 'ab: cd e\ufffd' } });
  });

  it('of a click says which link of which message, and when', () => {
    const click = {
      eventType: 'ctaUrlClicked_bsuid',
      id: watiId,
      localMessageId: local,
      displayText: 'Visit us',
      buttonUrl: 'https://shop.example.com/promo',
      created: '2026-11-30T10:00:00',
      timestamp: '1',
    };
    expect(readWebhookEvent(click)).toEqual({
      kind: 'clicked',
      ids: { localMessageId: local, watiId },
      click: { text: 'Visit us', url: 'https://shop.example.com/promo' },
      at: Date.UTC(2026, 10, 30, 10),
      label: 'ctaurlclicked',
    });
  });

  it('of a customer names who wrote, and when', () => {
    expect(readWebhookEvent(received)).toEqual({
      kind: 'received',
      ids: { whatsappMessageId: wamid, watiId },
      at: 1_796_032_800_000,
      from: {
        phone: '14155550100',
        bsuid: 'US.1234567890',
        parentBsuid: 'US.ENT.99',
        username: '@asha',
        name: 'Asha',
        watiConversationId: received.conversationId,
      },
      content: { type: 'text', text: 'Yes please' },
      label: 'message',
    });
  });

  it('of a customer who replies names the quoted message', () => {
    expect(readWebhookEvent({ ...received, replyContextId: wamid })).toMatchObject({ replyTo: wamid });
    expect(readWebhookEvent({ ...received, replyContextId: 'a b' })).not.toHaveProperty('replyTo');
  });

  it('of a sent template names template and contact', () => {
    const sent = { eventType: 'templateMessageSent', id: watiId, templateName: 'order_update', waId: '+14155550100' };
    expect(readWebhookEvent(sent)).toMatchObject({ template: 'order_update', recipient: { phone: '14155550100' } });
    expect(readWebhookEvent({ ...sent, eventType: 'sentMessageREAD' })).not.toHaveProperty('template');
  });

  it.each<[string, object]>([
    ['2026-11-30T10:00:00.1234567Z', { created: '2026-11-30T10:00:00.1234567Z' }],
    ['2026-11-30T10:00:00.123Z', { created: '2026-11-30T10:00:00.1234567' }],
    ['2026-11-30T10:00:00.000Z', { created: '2026-11-30 10:00:00' }],
    ['2026-11-30T10:00:00.000Z', { created: '2026-11-30T12:00:00+02:00' }],
    ['2026-11-30T10:00:00.000Z', { timestamp: '1796032800' }],
    ['2026-11-30T10:00:00.000Z', { timestamp: 1_796_032_800 }],
    ['2026-11-30T10:00:00.250Z', { timestamp: '1796032800.25' }],
    ['2026-11-30T10:00:00.123Z', { timestamp: '1796032800123' }],
    ['2026-11-30T10:00:00.123Z', { timestamp: 1_796_032_800_123 }],
    ['2026-11-30T10:00:00.000Z', { timestamp: '2026-11-30T10:00:00Z' }],
    ['2026-11-30T10:00:00.000Z', { timestamp: 'garbled', created: '2026-11-30T10:00:00Z' }],
    ['2026-11-30T10:00:00.000Z', { timestamp: null, created: '2026-11-30T10:00:00Z' }],
    ['2026-11-30T10:00:00.000Z', { Timestamp: '1796032800', created: '2026-11-29T10:00:00Z' }],
  ])('%s is read from %j', (iso, times) => {
    expect(readWebhookEvent({ eventType: 'sentMessageREAD', id: watiId, ...times })).toMatchObject({
      at: Date.parse(iso),
    });
  });

  it.each([
    ...['', '0', 0, '0001-01-01T00:00:00', '1970-01-01T00:00:00Z', 'yesterday', -1, 1e300, '99999999999999', {}, []],
  ])('has no time where it says %j', (timestamp) => {
    expect(readWebhookEvent({ eventType: 'sentMessageREAD', id: watiId, timestamp })).not.toHaveProperty('at');
  });

  it.each<[object, { code: string; detail: string }]>([
    [
      { failedCode: '131026', failedDetail: 'Message undeliverable' },
      { code: '131026', detail: 'Message undeliverable' },
    ],
    [
      { failedCode: 131_026, failedDetail: null },
      { code: '131026', detail: '' },
    ],
    [
      { failedDetail: '(#131047) Re-engagement message' },
      { code: '131047', detail: '(#131047) Re-engagement message' },
    ],
    [{ failureReason: 'INVALID' }, { code: 'unknown', detail: 'INVALID' }],
    [{ failedCode: '131049: not now' }, { code: '131049', detail: '' }],
    [
      { failedCode: '0', failedDetail: '' },
      { code: 'unknown', detail: '' },
    ],
    [
      { FailedCode: '131050', FAILEDDETAIL: 'Opted out' },
      { code: '131050', detail: 'Opted out' },
    ],
    [{ error: { code: 131_042, message: 'Payment' } }, { code: '131042', detail: 'Payment' }],
    [{ error: '131053 Media upload' }, { code: '131053', detail: '131053 Media upload' }],
    [
      { errors: [{ code: 130_472, title: 'Experiment', error_data: { details: 'Not delivered' } }] },
      { code: '130472', detail: 'Experiment' },
    ],
    [{ failure: { errors: [{ errorCode: '132001' }] } }, { code: '132001', detail: '' }],
    [{}, { code: 'unknown', detail: '' }],
    [
      { failedCode: '131026', failedDetail: 'to 14155550100\r\n\u202eat https://x.example/?k=1' },
      { code: '131026', detail: 'to ***0100 at [address]' },
    ],
  ])('that failed with %j says %j', (fields, failure) => {
    const event = readWebhookEvent({ eventType: 'sessionMessageFailed', id: watiId, ...fields });
    expect(event).toMatchObject({ fact: 'failed', failure });
  });

  it.each([
    ...[
      '',
      ' ',
      'a b',
      'x'.repeat(257),
      'a\0b',
      '\u202eabc',
      'null',
      'undefined',
      '00000000-0000-0000-0000-000000000000',
    ],
    ...[0, null, {}, [], true, '\ud800'],
  ])('names no message by %j', (value) => {
    const ids = { id: value, localMessageId: value, whatsappMessageId: value };
    expect(readWebhookEvent({ eventType: 'sentMessageREAD', ...ids })).toEqual({
      kind: 'ignored',
      label: 'sentmessageread',
    });
  });

  it('drops placeholders of ids, and text that cannot be displayed', () => {
    const from = { waId: '0123', bsuid: 'x', parentBsuid: 'US.!', contactId: 'Z', conversationId: 'c 1' };
    expect(readWebhookEvent({ ...received, ...from })).toMatchObject({ kind: 'ignored' });
    const named = readWebhookEvent({ ...received, username: 'a\u0007', senderName: 'x'.repeat(9_999) });
    expect(named).toMatchObject({ from: { name: 'x'.repeat(256) } });
    expect(named).not.toHaveProperty('from.username');
  });

  it('scans no object with more fields than an event has, so that none takes seconds', () => {
    const fields = Object.fromEntries(Array.from({ length: 20_000 }, (_, n) => [`field${n}`, n]));
    expect(readWebhookEvent({ ...delivered, ...fields })).toEqual({ kind: 'ignored', label: 'other' });
    const failed = { eventType: 'templateMessageFailed', localMessageId: 'm1' };
    const error = { code: 131_026, title: 'Undeliverable', ...fields };
    for (const where of [{ error }, { errors: [error] }, { failure: { errors: [error] } }]) {
      expect(readWebhookEvent({ ...failed, ...where })).toMatchObject({ failure: { code: 'unknown', detail: '' } });
    }
  });

  it('never throws and returns no long text, for any input', () => {
    const fields = Object.keys({ ...delivered, ...received, failedCode: 1, errors: 1, error: 1, templateName: 1 });
    const names = [...Object.keys(statusNames), 'message', 'newContactMessageReceived', 'accountUpdated'];
    const value = fc.oneof(
      fc.jsonValue({ maxDepth: 2 }),
      fc.string({ unit: anyCharacter, maxLength: 40 }),
      fc.constantFrom('x'.repeat(4_500), '1'.repeat(4_500), false, true, '14155550100', wamid),
    );
    const member = fc.tuple(fc.dictionary(fc.constantFrom(...fields), value), fc.constantFrom(...names, undefined));
    fc.assert(
      fc.property(fc.oneof(member, fc.jsonValue()), (made) => {
        const body = Array.isArray(made) && made.length === 2 ? { eventType: made[1], ...Object(made[0]) } : made;
        const event = readWebhookEvent(body);
        expect(JSON.stringify(event).length).toBeLessThan(4_096);
        expect(JSON.stringify(event)).not.toMatch(/\\u0000|\\ud8/);
      }),
      { numRuns: 150 },
    );
  });
});
