interface HomeOptions {
  account: 'sandbox' | 'real';
  docs: boolean;
  console: boolean;
  /** Path of the scripts and styles. */
  assets: string;
}

const accounts = {
  sandbox: ['Sandbox', 'Everything is simulated, no message reaches anybody.'],
  real: ['Real account', 'What is sent here reaches real people.'],
} as const;

type Link = readonly [href: string, name: string, words: string];

const docsLinks: readonly Link[] = [
  ['/docs', 'All calls', 'Read every call of the API, and try it'],
  ['/docs/guides', 'Guides', 'The first message, sending safely, broadcasts'],
];
const consoleLinks: readonly Link[] = [
  ['/console', 'Console', 'Find a message, follow broadcasts, stop sending: for operators and support'],
];
const phoneLinks: readonly Link[] = [
  ['/console#/phone', 'A phone', 'See what arrives on a customer’s phone, and answer'],
];
const problemLinks: readonly Link[] = [
  ['/problems', 'Problems', 'What each answer that is no success means, and what to do'],
];
const documentLinks: readonly Link[] = [['/openapi.yaml', 'openapi.yaml', 'For a client in your language']];

/** Returns the page of `/`, which tells a person what this service is and whether it works. */
export function homePage({ account, docs, console, assets }: HomeOptions): string {
  const [kind, meaning] = accounts[account];
  const links = [
    ...(console ? consoleLinks : []),
    ...(console && account === 'sandbox' ? phoneLinks : []),
    ...(docs ? docsLinks : []),
    ...problemLinks,
    ...(docs ? documentLinks : []),
  ];
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>WhatsApp for internal services · wati-bff</title>
<link rel="icon" type="image/svg+xml" href="${assets}/icon.svg">
<link rel="stylesheet" href="${assets}/base.css">
<link rel="stylesheet" href="${assets}/home.css">
<script type="module" src="${assets}/home.js"></script>
</head>
<body>
<main>
<p class="account ${account}"><strong>${kind.toUpperCase()}</strong> ${meaning}</p>
<h1>WhatsApp for internal services</h1>
<p class="lead">This service sends WhatsApp messages through WATI for the other services of this company, and tells the truth about
every send: accepted, rejected, not sent or unknown.</p>
<section aria-labelledby="state-title">
<h2 id="state-title">Now</h2>
<p id="state" class="state" role="status">Asking <a href="/health/ready">/health/ready</a></p>
<ul id="reasons" class="reasons"></ul>
</section>
<nav aria-label="Where to go">
<ul class="links">
${links.map(([href, name, words]) => `<li><a href="${href}">${name}</a><span>${words}</span></li>`).join('\n')}
</ul>
</nav>
</main>
</body>
</html>
`;
}
