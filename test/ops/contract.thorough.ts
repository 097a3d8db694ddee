import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { type Outline, outlineOf } from '../../ops/contract-outline.ts';
import { breaksBetween } from '../../ops/contract-rules.ts';
import { isRecord } from '../support/json.ts';

const asItIs: unknown = parse(readFileSync('openapi.yaml', 'utf8'));
const agreed: Outline = outlineOf(asItIs);

/** What stands at a path of the document, to be changed. */
function at(document: unknown, path: string[]): Record<string, unknown> {
  const found = path.reduce<unknown>((value, name) => (isRecord(value) ? value[name] : undefined), document);
  if (!isRecord(found)) throw new Error(`there is no ${path.join(' ')}`);
  return found;
}

/** The breaks of the document with one thing changed. */
function changed(path: string[], values: Record<string, unknown>): string[] {
  const document = structuredClone(asItIs);
  const place = at(document, path);
  for (const [name, value] of Object.entries(values)) {
    if (value === undefined) delete place[name];
    else place[name] = value;
  }
  return breaksBetween(agreed, outlineOf(document));
}

const schema = (name: string, ...members: string[]) => ['components', 'schemas', name, ...members];
const member = (name: string, property: string) => schema(name, 'properties', property);
const operation = (path: string, method: string, ...more: string[]) => ['paths', path, method, ...more];
const prefer = { name: 'Prefer', in: 'header', schema: { type: 'string' } };
const sendText = operation('/v1/messages/text', 'post');
const messages = '(sendText, sendFileLink, sendButtons and 11 more)';

describe('a change of openapi.yaml that can break a caller is named:', () => {
  it.each<[string, string[], Record<string, unknown>, string[]]>([
    ['a path is gone', ['paths'], { '/v1/media': undefined }, ['GET /v1/media is gone (getMedia)']],
    ['another operationId', sendText, { operationId: 'postText' }, ['the operation is called postText now (sendText)']],
    [
      'another scope',
      operation('/v1/media', 'get'),
      { description: 'Needs the scope `messages:read`.' },
      ['it needs the scope messages:read now (getMedia)'],
    ],
    ['a status is gone', [...sendText, 'responses'], { 202: undefined }, ['the answer 202 is gone (sendText)']],
    [
      'a problem status is gone',
      [...sendText, 'responses'],
      { 409: undefined },
      ['the problem status 409 is gone (sendText)'],
    ],
    [
      'a problem type is gone',
      [...sendText, 'responses', '409', 'content', 'application/problem+json', 'examples'],
      { 'session-window-closed': undefined },
      ['409 is never session-window-closed any more (sendText)'],
    ],
    [
      'a header of an answer is gone',
      [...sendText, 'responses', '201', 'headers'],
      { Location: undefined },
      ['the answer 201 has no header location any more (sendText)'],
    ],
    [
      'another content type',
      [...sendText, 'responses', '201'],
      { content: { 'text/plain': { schema: { type: 'string' } } } },
      ['the answer 201 is no application/json any more (sendText)'],
    ],
    [
      'a member of an answer is gone',
      schema('Message', 'properties'),
      { template: undefined },
      [`Message.template is gone ${messages}`],
    ],
    [
      'it has another type',
      schema('Message', 'properties'),
      { attempts: { type: 'string' } },
      [`Message.attempts is string, and was integer ${messages}`],
    ],
    [
      'it may be absent',
      schema('Broadcast'),
      { required: ['id', 'template', 'broadcastName', 'connectionId', 'counts', 'createdAt', 'updatedAt'] },
      ['Broadcast.status may be absent now (createBroadcast, listBroadcasts, getBroadcast and 8 more)'],
    ],
    [
      'it has values that nobody knows',
      member('Problem', 'outcome'),
      { enum: ['rejected', 'not_sent', 'unknown', 'lost'] },
      ['Problem.outcome may be lost now, which callers do not know (every refusal)'],
    ],
    [
      'it lacks a value',
      member('Problem', 'outcome'),
      { enum: ['rejected', 'unknown'] },
      ['Problem.outcome is never not_sent any more (every refusal)'],
    ],
    [
      'a required member of a request',
      schema('TextPost'),
      { required: ['to', 'text', 'replyTo'] },
      ['TextPost.replyTo is required now (sendText)'],
    ],
    [
      'a member of a request is gone',
      schema('TextPost', 'properties'),
      { replyTo: undefined },
      ['TextPost.replyTo is gone (sendText)'],
    ],
    [
      'a narrower enum',
      member('ConversationStatusPut', 'status'),
      { enum: ['open', 'pending', 'solved'] },
      ['ConversationStatusPut.status may not be blocked any more (setConversationStatus)'],
    ],
    [
      'a shorter text',
      member('TextPost', 'text'),
      { maxLength: 1024 },
      ['TextPost.text: maxLength is 1024 now (sendText)'],
    ],
    ['a longer one', member('TextPost', 'text'), { minLength: 2 }, ['TextPost.text: minLength is 2 now (sendText)']],
    [
      'another pattern',
      member('TextPost', 'text'),
      { pattern: '^[a-z]+$' },
      ['TextPost.text has another pattern (sendText)'],
    ],
    [
      'a member of an item',
      schema('BroadcastPost', 'properties', 'recipients', 'items'),
      { required: ['to', 'parameters'] },
      ['an item of BroadcastPost.recipients.parameters is required now (createBroadcast)'],
    ],
    [
      'a required parameter',
      operation('/v1/connections', 'get'),
      {
        parameters: [
          {
            name: 'status',
            in: 'query',
            required: true,
            schema: { type: 'string', enum: ['active', 'pending', 'failed'] },
          },
          prefer,
        ],
      },
      ['the parameter "query status" is required now (listConnections)'],
    ],
    [
      'parameters are gone',
      operation('/v1/connections', 'get'),
      { parameters: [prefer] },
      ['the parameter "query status" is gone (listConnections)'],
    ],
    [
      'a narrower parameter',
      operation('/v1/connections', 'get'),
      {
        parameters: [{ name: 'status', in: 'query', schema: { type: 'string', enum: ['active', 'pending'] } }, prefer],
      },
      ['the parameter "query status" may not be failed any more (listConnections)'],
    ],
    [
      'another form',
      [...operation('/v1/messages/file', 'post', 'requestBody')],
      { content: {} },
      ['a body of multipart/form-data is not taken any more (sendFile)'],
    ],
  ])('%s', (_what, path, values, expected) => {
    expect(changed(path, values)).toEqual(expected);
  });
});

describe('a change that breaks nobody is none:', () => {
  it.each<[string, string[], Record<string, unknown>]>([
    ['nothing', schema('Message'), {}],
    ['words', schema('Message'), { description: 'Other words.', title: 'M', examples: [1] }],
    ['a new path', ['paths'], { '/v1/new': { get: { operationId: 'getNew', responses: {} } } }],
    ['a new member of an answer', schema('Message', 'properties'), { deliveredAt: { type: 'string' } }],
    ['a new optional member of a request', schema('TextPost', 'properties'), { preview: { type: 'boolean' } }],
    [
      'a new value in a request',
      member('ConversationStatusPut', 'status'),
      { enum: ['open', 'pending', 'solved', 'blocked', 'new'] },
    ],
    ['a longer text', member('TextPost', 'text'), { maxLength: 65_536 }],
    [
      'a member of an answer that is always there',
      schema('Message'),
      { required: ['id', 'kind', 'connectionId', 'status', 'attempts', 'createdAt', 'updatedAt', 'to'] },
    ],
    ['a new problem', [...sendText, 'responses'], { 410: { content: { 'application/problem+json': {} } } }],
  ])('%s', (_what, path, values) => {
    expect(changed(path, values)).toEqual([]);
  });
});
