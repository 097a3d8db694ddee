import { writeFileSync } from 'node:fs';

/** An event of each type, as the document shows it: the compiler says whether it has what an event may have. */
const [address] = process.argv.slice(2);
const { webhooks } = await (await fetch(`${address}/openapi.json`)).json();
const { examples } = webhooks.event.post.requestBody.content['application/json'];
const events = Object.fromEntries(Object.entries(examples).map(([type, { value }]) => [type, value]));
writeFileSync(
  new URL('example-events.ts', import.meta.url),
  `import type { Event } from 'wati-bff-client';
export const exampleEvents: Readonly<Record<string, Event>> = ${JSON.stringify(events, null, 2)};
`,
);
