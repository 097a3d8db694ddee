import type { FastifyPluginAsync } from 'fastify';
import { page, scriptedPagePolicy } from '../src/lib/html.ts';

interface HomeOptions {
  account: 'sandbox' | 'real';
  /** Whether `/docs` exists and can be linked. */
  docs: boolean;
}

/** `/`: says what this service is, for a person who opens the address in a browser. Built once. */
export const home: FastifyPluginAsync<HomeOptions> = async (app, { account, docs }) => {
  const body = Buffer.from(page('WhatsApp for internal services', homePage(account, docs)));
  const script = Buffer.from(homeScript);
  const hidden = { schema: { hide: true } };
  app.get('/', hidden, (_request, reply) =>
    reply
      .headers({ 'cache-control': 'no-cache', 'content-security-policy': scriptedPagePolicy })
      .type('text/html; charset=utf-8')
      .send(body),
  );
  app.get('/home.js', hidden, (_request, reply) =>
    reply.header('cache-control', 'no-cache').type('text/javascript; charset=utf-8').send(script),
  );
};

const accounts = {
  sandbox: 'SANDBOX: everything is simulated, no message reaches anybody',
  real: 'REAL ACCOUNT: what is sent here reaches real people',
};

const homePage = (account: HomeOptions['account'], docs: boolean) => `<p class="${account}">${accounts[account]}</p>
<p>This service sends WhatsApp messages through WATI for the other services of this company, and tells the truth about every
send: accepted, rejected, not sent or unknown.</p>
<p>State: <strong id="state" role="status"><a href="/health/ready">look</a></strong></p>
<ul>
${docs ? docsLinks : ''}<li><a href="/problems">Problems</a>: what each answer that is no success means, and what to do</li>
</ul>
<script src="/home.js"></script>`;

const docsLinks = `<li><a href="/docs">All calls</a>, to read and to try</li>
<li><a href="/docs/guides">Guides</a>: the first message, sending safely, broadcasts</li>
<li><a href="/openapi.yaml">openapi.yaml</a>, for a client in your language</li>
`;

/** Shows the state of `/health/ready` in words, now and every ten seconds. */
const homeScript = `const state = document.getElementById('state');

const reasons = {
  status: { draining: 'it is going down', recovering: 'it looks through what an earlier process left behind' },
  store: { failing: 'records cannot be written' },
  gateway: { unreachable: 'Maton cannot be reached' },
  key: { refused: 'Maton refuses the key of this service' },
  connection: { none: 'no WATI account is connected', changed: 'the connected account is another than before' },
  authorization: { expired: 'the connection has expired, and has to be authorized again' },
  sending: { stopped: 'an operator has stopped sending' },
  broadcasts: { held: 'broadcasts are held, because WATI refused all of them' },
};

const inWords = (ready) => {
  const told = Object.entries(reasons).flatMap(([name, words]) => words[ready[name]] ?? []);
  return (ready.status === 'ready' ? 'ready' : 'not ready') + (told.length > 0 ? ': ' + told.join('; ') : '');
};

async function look() {
  try {
    const answer = await fetch('/health/ready');
    state.textContent = inWords(await answer.json());
  } catch {
    state.textContent = 'it does not answer';
  }
}

look();
setInterval(look, 10000);
`;
