import { exampleIds } from '../schemas/common.ts';
import { Event } from '../schemas/event.ts';
import { eventExamples } from '../schemas/event-examples.ts';
import type { Json } from './openapi-examples.ts';

const header = (description: string, example: string) => ({
  required: true,
  schema: { type: 'string' },
  description,
  example,
});
const signature = 'v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4=';
const headers: Readonly<Record<string, ReturnType<typeof header>>> = {
  'webhook-id': header('the id of the event, the same in each attempt: pass over what you have seen', exampleIds.event),
  'webhook-timestamp': header(
    'of this attempt, in seconds since 1970; refuse what is older than five minutes',
    '1793007000',
  ),
  'webhook-signature': header(
    '`v1,` and the signature (Standard Webhooks) of the bytes of the body, several in a row while a secret is changed',
    signature,
  ),
  'wati-bff-attempt': header('counts the attempts of this event, from 1', '1'),
};

const answers = {
  '2XX': { description: 'You have it. The body is not read.' },
  '410': { description: 'You want no more: the endpoint is disabled at once.' },
  '429': { description: 'You rest: nothing is sent until the time of Retry-After is over, an hour at most.' },
  '503': { description: 'The same.' },
  default: { description: 'You do not have it, and it comes again later.' },
};

/** The requests that endpoints of callers receive (OpenAPI 3.1), with an example of each type of event. */
export const webhooks: Json = {
  event: {
    post: {
      operationId: 'receiveEvent',
      tags: ['events'],
      summary: 'Take an event',
      description:
        'What you answer on an endpoint of yours. Check the signature over the bytes as they came, store the event, answer, and work then. It comes at least once, and with the bytes that it has in `GET /v1/events`.',
      security: [],
      parameters: Object.entries(headers).map(([name, rest]) => ({ name, in: 'header', ...rest })),
      requestBody: {
        required: true,
        content: {
          'application/json': {
            schema: Event,
            examples: Object.fromEntries(
              [...eventExamples].map(([type, value]) => [type, { summary: type, value }] as const),
            ),
          },
        },
      },
      responses: answers,
    },
  },
};
