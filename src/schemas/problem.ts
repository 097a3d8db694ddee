import { Type } from '../lib/type.ts';
import { problemTypes } from '../problem-types.ts';

/** A single fault of a request. */
export const FieldFault = Type.Object({
  pointer: Type.String({
    description: 'JSON pointer into the body; `/query/…`, `/path/…`, `/headers/…` elsewhere',
  }),
  detail: Type.String(),
  row: Type.Optional(Type.Integer({ description: 'of a CSV: the data row, from 1; 0 is the header' })),
  line: Type.Optional(Type.Integer({ description: 'of a CSV: the line of the file where the row begins' })),
});

export const ProblemDocument = Type.Object(
  {
    type: Type.String({
      description:
        'the address of what to do: `/problems/<slug>` behind `PUBLIC_URL`, else behind the Host that the request names, else alone. Compare its end, one of those listed here.',
      // An open list: clients that were generated from today's list accept values that are added later.
      'x-extensible-enum': Object.keys(problemTypes).map((slug) => `/problems/${slug}`),
    }),
    title: Type.String(),
    status: Type.Integer(),
    detail: Type.String({ description: 'what went wrong this time' }),
    instance: Type.String({ description: 'the path that was called' }),
    requestId: Type.String(),
    outcome: Type.Optional(
      Type.Enum(['rejected', 'not_sent', 'unknown'], { type: 'string', description: 'what is known of the message' }),
    ),
    retryable: Type.Boolean({ description: 'whether the same request may succeed later' }),
    errors: Type.Optional(Type.Array(FieldFault)),
    upstream: Type.Optional(
      Type.Object({
        status: Type.Optional(Type.Integer()),
        detail: Type.Optional(
          Type.String({
            description:
              'its own words, at most 300 characters, with addresses, names of hosts, credentials and long numbers masked',
          }),
        ),
      }),
    ),
    earliest: Type.Optional(
      Type.String({ description: 'of `cursor-expired`: the cursor from which all events that are kept can be read' }),
    ),
    latest: Type.Optional(
      Type.String({ description: 'of `cursor-expired`: the cursor from which only new events are read' }),
    ),
  },
  { title: 'Problem', description: 'RFC 9457 problem details' },
);

export const ProblemTypeDocument = Type.Object(
  {
    type: Type.String(),
    title: Type.String(),
    status: Type.Integer(),
    retryable: Type.Boolean(),
    meaning: Type.String(),
    cause: Type.String({ description: 'what is behind it most of the time' }),
    remedy: Type.String(),
    repeat: Type.String({ description: 'whether the same request may be sent again' }),
  },
  { title: 'ProblemType' },
);

export const ProblemTypeList = Type.Object({ data: Type.Array(ProblemTypeDocument) }, { title: 'ProblemTypeList' });
