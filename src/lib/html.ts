import { hash } from 'node:crypto';

const style = `
body { max-width: 42rem; margin: 3rem auto; padding: 0 1rem; font: 1rem/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; line-height: 1.25; }
dt { margin-top: 1rem; font-weight: 600; }
dd { margin: 0; }
li { margin: 0.25rem 0; }
code { padding: 0 0.2em; background: #8882; font-size: 0.9em; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; font-size: 0.9rem; }
.sandbox, .real { display: inline-block; margin: 0; padding: 0.25rem 0.75rem; border-radius: 0.25rem; font-weight: 600; color: #fff; }
.sandbox { background: #1b6e3c; }
.real { background: #a61b1b; }
:root { color-scheme: light dark; }
`;

const ownStyle = `style-src 'sha256-${hash('sha256', style, 'base64')}'`;

/** The strict policy of every response, plus this style by its hash (plugins/request-validation.ts). */
export const plainPagePolicy = `default-src 'none'; ${ownStyle}; frame-ancestors 'none'; sandbox`;

/** A whole page in the common style. `body` is HTML; `title` is text. */
export const page = (title: string, body: string) => `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${inHtml(title)} · wati-bff</title>
<style>${style}</style>
</head>
<body>
<h1>${inHtml(title)}</h1>
${body}
</body>
</html>
`;

const entities: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

/** Escapes text for HTML. */
export const escaped = (text: string): string => text.replace(/[&<>"']/g, (letter) => entities[letter] ?? '');

/** The same, with text between backticks as code. */
export const inHtml = (text: string): string => escaped(text).replace(/`([^`]+)`/g, '<code>$1</code>');
