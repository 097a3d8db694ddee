/** The page of `/docs`: what a browser loads in addition to Swagger UI. */

export type Account = 'sandbox' | 'real';

const accounts: Record<Account, string> = {
  sandbox: 'SANDBOX: everything is simulated, no message reaches anybody',
  real: 'REAL ACCOUNT: Execute sends to customers. What you send from this page reaches real people',
};

export const docsPage = (
  account: Account,
  links: readonly (readonly [href: string, words: string])[],
) => `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>wati-bff${account === 'sandbox' ? ' (sandbox)' : ''}</title>
<link rel="stylesheet" href="/docs/static/swagger-ui.css">
<link rel="stylesheet" href="/docs/static/index.css">
<link rel="stylesheet" href="/docs/static/account.css">
<link rel="icon" type="image/png" href="/docs/static/favicon-32x32.png" sizes="32x32">
<link rel="icon" type="image/png" href="/docs/static/favicon-16x16.png" sizes="16x16">
</head>
<body>
<p class="account ${account}">${accounts[account]}</p>
<div class="page">
<nav class="links">
${links.map(([href, words]) => `<a href="${href}">${words}</a>`).join('\n')}
</nav>
<div id="swagger-ui"></div>
</div>
<script src="/docs/static/swagger-ui-bundle.js"></script>
<script src="/docs/static/initializer.js"></script>
</body>
</html>
`;

/** The part below the banner scrolls, so that the banner does not cover the target of a link. */
export const docsStyle = `html, body { height: 100%; }
body { display: flex; flex-direction: column; margin: 0; }
.page { position: relative; flex: 1; overflow-y: auto; }
.account { margin: 0; padding: 0.75rem 1rem; font: 600 1rem/1.5 system-ui, sans-serif; text-align: center; color: #fff; }
.account.sandbox { background: #1b6e3c; }
.account.real { background: #a61b1b; }
.links { display: flex; flex-wrap: wrap; justify-content: center; gap: 0 1.5rem; padding: 0.5rem 1rem; font: 1rem/2 system-ui, sans-serif; }
.links a { color: #1f5fbf; }
html.dark-mode .links a { color: #8ab4f8; }
html.dark-mode body { background: #1c2022; }
html.dark-mode .swagger-ui .headers-wrapper * { color: #c8ccd0; }
@media (max-width: 640px) {
  .swagger-ui .wrapper, .swagger-ui .opblock .opblock-section-header { padding: 0 0.5rem; }
  .swagger-ui .info { margin: 1rem 0; }
  .swagger-ui .opblock .opblock-summary { flex-wrap: wrap; }
  .swagger-ui .opblock .opblock-summary-path { max-width: 100%; overflow-wrap: anywhere; }
  .swagger-ui .opblock .opblock-summary-description { width: 100%; text-align: left; }
  .swagger-ui table, .swagger-ui tbody, .swagger-ui table tr, .swagger-ui table td { display: block; width: auto; max-width: 100%; }
  .swagger-ui table thead { display: none; }
  .swagger-ui .parameters-col_description input, .swagger-ui .parameters-col_description select, .swagger-ui textarea { max-width: 100%; min-width: 0; width: 100%; }
  .swagger-ui .response-col_links { display: none; }
  .swagger-ui .highlight-code, .swagger-ui .microlight, .swagger-ui pre { max-width: 100%; overflow-x: auto; }
}
`;

/**
 * Without the validator badge, which would send the document to a public site. The key is not kept in the browser's storage.
 * The idempotency key is not pre-filled, because the second try would then be a repeat of the first, or a mismatch.
 */
export const docsScript = `const dark = matchMedia('(prefers-color-scheme: dark)');
const follow = () => document.documentElement.classList.toggle('dark-mode', dark.matches);
follow();
dark.addEventListener('change', follow);

const keyed = [];
const streams = [];

function prepare(spec) {
  for (const [path, item] of Object.entries(spec.paths)) {
    for (const operation of Object.values(item)) {
      const form = new RegExp('^' + path.replace(/\\{[^}]+\\}/g, '[^/]+') + '$');
      if (operation.responses['200']?.content?.['text/event-stream']) streams.push(form);
      for (const parameter of operation.parameters ?? []) {
        if (parameter.name !== 'idempotency-key') continue;
        if (parameter.required) {
          keyed.push(form);
          parameter.description += '. Left blank, this page makes a new one for each try';
        }
        parameter.required = false;
        delete parameter.example;
        delete parameter.examples;
        delete parameter.schema.examples;
      }
    }
  }
  return spec;
}

const hex = (byte) => byte.toString(16).padStart(2, '0');
const newKey = () => 'docs-' + Array.from(crypto.getRandomValues(new Uint8Array(8)), hex).join('');

const followMs = 3000;

/** Shows what an event stream sends in its first seconds, or all of it if it ends. */
async function firstEvents(url, options) {
  const stop = new AbortController();
  setTimeout(() => stop.abort(), followMs);
  const answer = await fetch(url, { ...options, signal: stop.signal });
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  try {
    for (let next = await reader.read(); !next.done; next = await reader.read()) text += next.value;
  } catch {
    text += ': the page stops here, after ' + followMs / 1000 + ' seconds; curl -N with the line above follows it to the end\\n';
  }
  return new Response(text, { status: answer.status, headers: answer.headers });
}

function beforeRequest(request) {
  const { pathname } = new URL(request.url, location.href);
  if (keyed.some((form) => form.test(pathname)) && request.method === 'POST') {
    const given = Object.keys(request.headers).some((name) => name.toLowerCase() === 'idempotency-key');
    if (!given) request.headers['idempotency-key'] = newKey();
  }
  if (streams.some((stream) => stream.test(pathname))) request.userFetch = firstEvents;
  return request;
}

async function start() {
  const answer = await fetch('/openapi.json');
  if (!answer.ok) throw new Error('the description of the service could not be read (' + answer.status + ')');
  SwaggerUIBundle({
    spec: prepare(await answer.json()),
    dom_id: '#swagger-ui',
    deepLinking: true,
    presets: [SwaggerUIBundle.presets.apis],
    layout: 'BaseLayout',
    validatorUrl: null,
    tryItOutEnabled: true,
    displayRequestDuration: true,
    docExpansion: 'list',
    requestInterceptor: beforeRequest,
  });
}

start().catch((error) => {
  document.getElementById('swagger-ui').textContent = error.message;
});
`;
