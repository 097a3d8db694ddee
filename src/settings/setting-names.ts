import { nearest } from '../lib/did-you-mean.ts';

/** Prefixes of this service's own settings. */
const ours = /^(MATON|WATI|CLIENTS|UPLOADS?|STORE|CSV|IMPORT|GROUP|UPSTREAM|TEMPLATE|NATIVE|DRAIN|INTAKE)_/;
/** Variables that Kubernetes sets in every pod for each service, this one included. */
const ofKubernetes = /_(SERVICE_(HOST|PORT)(_[A-Z0-9_]+)?|PORT(_\d+_(TCP|UDP)(_[A-Z]+)?)?)$/;
/** Shorter names are similar to too many words. */
const longEnough = 8;

/** Finds variables that would have no effect: unknown ones with a prefix of ours, or similar to a known name. */
export function unknownSettings(given: readonly string[], known: readonly string[]): string[] {
  return given.flatMap((name) => {
    if (known.includes(name) || ofKubernetes.test(name)) return [];
    const near = nearest(
      name,
      known.filter(({ length }) => length >= longEnough),
    );
    if (!ours.test(name) && near === undefined) return [];
    return [`${name} is not a setting${near === undefined ? '' : `; did you mean ${near}?`}`];
  });
}

/**
 * Options of Node that weaken the service: a debugger, profiles and dumps reveal the key, key logs reveal the traffic, old TLS
 * weakens it, and the lenient parser accepts invalid HTTP.
 */
const dangerous =
  /^--(inspect|debug-port|heapsnapshot|heap-prof|cpu-prof|prof|diagnostic-dir|report|trace-tls|trace-event|tls-keylog|tls-min-v1\.[01]|tls-cipher-list|insecure-http-parser|use-env-proxy)/;

/** Finds the dangerous options, however they are spelt: Node treats underscores as dashes. */
export function dangerousOptions(words: readonly string[]): string[] {
  const plain = words.map((word) =>
    (word.replace(/["']/g, '').split('=', 1)[0] ?? '').toLowerCase().replaceAll('_', '-'),
  );
  return plain.filter((word) => dangerous.test(word)).map((word) => word.slice(0, 40));
}
