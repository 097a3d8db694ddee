import type { IncomingMessage, ServerResponse } from 'node:http';
import { Type } from 'typebox';
import { Compile } from 'typebox/compile';
import { toError } from '../lib/to-error.ts';
import type { Clock } from './clock.ts';
import { addTemplates, readTemplates, templatesForm } from './given-templates.ts';
import { ledgerParameters, ledgerView } from './ledger-view.ts';
import { faultRoutes } from './sandbox-faults.ts';
import { clickRoute, messageRoute } from './sandbox-messages.ts';
import { phoneRoutes } from './sandbox-phones.ts';
import { FileAnswer, type SandboxRoute, type Steering } from './sandbox-route.ts';
import { webhookRoutes } from './sandbox-webhooks.ts';
import { exact } from './schemas/common.ts';

const seconds = 1_000;
const tenYears = 10 * 366 * 24 * 3_600;

const Reset = exact({
  seed: Type.Optional(Type.Union([Type.Integer(), Type.String({ minLength: 1, maxLength: 200 })])),
});
const Advance = exact({ advanceSeconds: Type.Number({ minimum: 0, maximum: tenYears }) });
const validators = { reset: Compile(Reset), advance: Compile(Advance) };

const routes: readonly SandboxRoute[] = [
  {
    route: 'GET /_sandbox',
    does: 'this list',
    run: () => ({ data: routes.map(({ run: _run, bytesMax: _max, ...told }) => told) }),
  },
  {
    route: 'POST /_sandbox/reset',
    does: 'contacts, messages, ledger and clock as at the start, and a service without any record or key',
    body: {
      seed: 'optional, a number or a string: the ids that are made from now on are the same in each run with it',
    },
    run: async ({ json }, steering) => {
      const body = json ?? {};
      if (!validators.reset.Check(body)) return 'The body is empty or {"seed": <whole number or text>}';
      await steering.reset(body.seed === undefined ? undefined : String(body.seed));
      return timeOf(steering.clock);
    },
  },
  {
    route: 'GET /_sandbox/ledger',
    does: 'every request that the simulated gateway received, oldest first, and what was acted on',
    query: ledgerParameters,
    run: ({ query }, { ledger, tenant }) => {
      const found = ledgerView(ledger.entries, query, tenant);
      return typeof found === 'string' ? found : { data: found };
    },
  },
  messageRoute,
  clickRoute,
  ...phoneRoutes,
  ...faultRoutes,
  ...webhookRoutes,
  {
    route: 'POST /_sandbox/templates',
    does: 'WATI has these templates as well, until a reset; one of the same name and language is replaced',
    body: templatesForm,
    bytesMax: 1_048_576,
    run: ({ json }, { tenant }) => {
      const given = readTemplates(json);
      if (typeof given === 'string') return given;
      return {
        data: addTemplates(tenant, given).map(({ elementName: name, status, language }) => ({
          name,
          status: status.toLowerCase(),
          language: language.key,
        })),
      };
    },
  },
  {
    route: 'GET /_sandbox/key',
    does: 'the key of the only caller, which is public; null where callers of your own have keys of their own',
    run: (_given, { key = null }) => ({ key }),
  },
  {
    route: 'GET /_sandbox/clock',
    does: 'the simulated time',
    run: (_given, { clock }) => timeOf(clock),
  },
  {
    route: 'POST /_sandbox/clock',
    does: 'moves the simulated time forward, of WATI and of the records of the service; a reset sets it right',
    body: { advanceSeconds: 86_400 },
    run: async ({ json }, steering) => {
      if (!validators.advance.Check(json)) return `The body is {"advanceSeconds": <0 to ${tenYears}>}`;
      await steering.advance(json.advanceSeconds * seconds);
      return timeOf(steering.clock);
    },
  },
];

/** The simulator's own routes, without a key. They are not part of what is simulated. Returns whether the request was for one of them. */
export function sandboxRoute(request: IncomingMessage, response: ServerResponse, steering: Steering): boolean {
  const { url = '' } = request;
  if (!/^\/_sandbox(?=[/?]|$)/.test(url)) return false;
  const { pathname, searchParams } = new URL(url, 'http://simulator');
  serve({ route: `${request.method} ${pathname}`, query: searchParams }, request, steering).then(
    ({ status, body }) => {
      const { contentType, bytes } = body instanceof FileAnswer ? body.file : inJson(body);
      response.writeHead(status, { 'content-type': contentType, 'x-content-type-options': 'nosniff' });
      response.end(bytes);
    },
    (error: unknown) => response.destroy(toError(error)),
  );
  return true;
}

const inJson = (body: unknown) => ({
  contentType: 'application/json; charset=utf-8',
  bytes: JSON.stringify(body),
});

async function serve(
  { route, query }: { route: string; query: URLSearchParams },
  request: IncomingMessage,
  steering: Steering,
) {
  const { found, params } = findRoute(route);
  const text = await bodyOf(request, found?.bytesMax);
  if (!found) return wrong(404, `There is no ${route}; GET /_sandbox lists what there is`);
  const [stray] = [...query.keys()];
  if (stray !== undefined && !found.query)
    return wrong(400, `There is no query parameter ${stray}; ${route} takes none`);
  if (text === undefined) return wrong(413, 'The body is too long');
  const json = parsed(text);
  if (text !== '' && json === undefined) return wrong(400, 'The body is no JSON');
  const answer = await found.run({ query, json, params }, steering);
  return typeof answer === 'string' ? wrong(400, answer) : { status: 200, body: answer };
}

function findRoute(asked: string): { found: SandboxRoute | undefined; params: readonly string[] } {
  for (const { route, form } of forms) {
    const match = form.exec(asked);
    if (match) return { found: route, params: match.slice(1) };
  }
  return { found: undefined, params: [] };
}

const forms = routes.map((route) => ({
  route,
  form: new RegExp(`^${route.route.replace(/\{[a-z]+\}/g, '([^/]+)')}$`),
}));

const wrong = (status: number, error: string) => ({ status, body: { error } });

/** undefined: the body is longer than allowed. The rest is read all the same, so that the client gets the answer. */
async function bodyOf(request: IncomingMessage, bytesMax = 65_536): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request) {
    if (!Buffer.isBuffer(chunk)) continue;
    bytes += chunk.length;
    if (bytes <= bytesMax) chunks.push(chunk);
  }
  return bytes > bytesMax ? undefined : Buffer.concat(chunks).toString('utf8');
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function timeOf(clock: Clock) {
  return { now: new Date(clock.now()).toISOString(), advancedSeconds: clock.advancedMs / seconds };
}
