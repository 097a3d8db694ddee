import { defineConfig } from '@hey-api/openapi-ts';

/** What each `data:` of a stream holds. OpenAPI 3.1 has no words for it: there the answer is a text. */
const streamed: Record<string, readonly string[]> = {
  '/v1/broadcasts/{id}/events': ['Broadcast'],
  '/v1/events/stream': ['Event'],
  '/v1/operations/stream': ['Overview', 'OperatorBroadcast', 'BudgetPoint'],
};

export default defineConfig({
  input: '../../openapi.yaml',
  output: { path: 'src/generated', module: { extension: '.ts' } },
  parser: {
    patch: {
      operations: (_method, path, operation) => {
        const ok = operation.responses?.['200'];
        const content = ok && 'content' in ok ? ok.content?.['text/event-stream'] : undefined;
        const [first, ...others] = (streamed[path] ?? []).map((name) => ({ $ref: `#/components/schemas/${name}` }));
        // A 204 says that the stream is over, which is no event of it.
        if (content) delete operation.responses?.['204'];
        if (content) content.schema = first && others.length > 0 ? { anyOf: [first, ...others] } : (first ?? {});
      },
    },
  },
  plugins: [
    '@hey-api/sdk',
    '@hey-api/client-fetch',
    {
      name: '@hey-api/typescript',
      /** An open list is its known values, which an editor offers, or any other text: a new one breaks nobody. */
      $resolvers: {
        string: ({ $, schema }) => {
          const known = schema['x-extensible-enum'];
          if (!Array.isArray(known)) return;
          // The type of a problem is an address that ends so.
          const each = known.map((value: string) =>
            value.startsWith('/') ? $.type.template().add($.type('string')).add(value) : $.type.literal(value),
          );
          return $.type.or(...each, $.type.and('string', $.type.object()));
        },
      },
    },
  ],
});
