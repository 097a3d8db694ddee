import { UrlRefused } from './destination.ts';

type Words = readonly [codes: RegExp, words: string];

/** Matched by error codes of Node.js, undici and its parser; the first match counts. */
const classes: readonly Words[] = [
  [
    /CERT|SELF_SIGNED|ERR_SSL|ERR_TLS|EPROTO|UNABLE_TO_|HOSTNAME_MISMATCH/,
    'no trusted TLS connection was made: look at the certificate of the receiver',
  ],
  [
    /^(ECONNREFUSED|EHOSTUNREACH|ENETUNREACH|EHOSTDOWN|ENETDOWN|EADDRNOTAVAIL)$/,
    'the receiver takes no connections there',
  ],
  [/^(UND_ERR_CONNECT_TIMEOUT|ETIMEDOUT)$/, 'no connection was made within 3 s'],
  [/^HPE_|^HTTPParserError$|^UND_ERR_HEADERS_OVERFLOW$/, 'the receiver answered something that is not HTTP'],
  [
    /^(UND_ERR_SOCKET|ECONNRESET|ECONNABORTED|EPIPE|UND_ERR_RES_CONTENT_LENGTH_MISMATCH|ERR_STREAM_PREMATURE_CLOSE)$/,
    'the receiver ended the connection without an answer',
  ],
  [/^(ABORT_ERR|UND_ERR_ABORTED|UND_ERR_DESTROYED|UND_ERR_CLOSED|AbortError)$/, 'the attempt was given up here'],
  [/^LateError$/, ''],
];

/** Describes to the endpoint's owner why an attempt got no response. Never contains a resolved address. */
export function describeFailure(error: Error): string {
  if (error instanceof UrlRefused) return error.message;
  const codes = codesOf(error);
  const words = classes.find(([pattern]) => codes.some((code) => pattern.test(code)))?.[1];
  return words === '' ? error.message : (words ?? 'the attempt failed before there was an answer');
}

/** Finds the error with a code: it may be wrapped, for example when several addresses were tried. */
function codesOf(error: Error): string[] {
  const inner = error instanceof AggregateError ? error.errors : [error.cause];
  return [error, ...inner].flatMap((each) =>
    each instanceof Error ? ['code' in each ? String(each.code) : '', each.name] : [],
  );
}
