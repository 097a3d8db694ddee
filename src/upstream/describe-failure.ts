import { codeOf } from './error-code.ts';

/** The called host: Maton's gateway to WATI, or its API for connections. */
export type Side = 'gateway' | 'control';

const names: Readonly<Record<Side, string>> = { gateway: 'the gateway', control: "Maton's API for connections" };

type Words = readonly [codes: RegExp, words: string];

/** By error codes of Node.js, undici and its parser. The first match counts. */
const classes: readonly Words[] = [
  [/^(ENOTFOUND|EAI_)/, 'could not be reached: its name was not found'],
  [
    /CERT|SELF_SIGNED|ERR_SSL|ERR_TLS|UNABLE_TO_|HOSTNAME_MISMATCH/,
    'could not be reached: no trusted TLS connection was made',
  ],
  [
    /^(ECONNREFUSED|EHOSTUNREACH|ENETUNREACH|EHOSTDOWN|ENETDOWN|EADDRNOTAVAIL)$/,
    'could not be reached: it takes no connections',
  ],
  [/^(UND_ERR_CONNECT_TIMEOUT|ETIMEDOUT)$/, 'could not be reached: no connection was made in time'],
  [/^HPE_|^HTTPParserError$|^UND_ERR_HEADERS_OVERFLOW$/, 'answered something that is not HTTP'],
  [
    /^(UND_ERR_SOCKET|ECONNRESET|ECONNABORTED|EPIPE|UND_ERR_RES_CONTENT_LENGTH_MISMATCH|UND_ERR_RESPONSE|ERR_STREAM_PREMATURE_CLOSE)$/,
    'ended the connection before its answer was complete',
  ],
];

/** Describes a failed call for callers. The error code is only logged. */
export function describeFailure(cause: Error, side: Side): string {
  const codes = codesOf(cause);
  const words = classes.find(([pattern]) => codes.some((code) => pattern.test(code)))?.[1];
  return `${names[side]} ${words ?? 'could not be reached'}`;
}

/** The code may be in a wrapped error: several addresses were tried, or an error of the parser was passed on. */
function codesOf(error: Error): string[] {
  const inner = error instanceof AggregateError ? error.errors : [error.cause];
  return [error, ...inner].filter((each) => each instanceof Error).map(codeOf);
}
