import { nearest } from '../lib/did-you-mean.ts';

/** Nobody else's settings begin like this. */
const ours =
  /^(MATON|WATI|CLIENTS|UPLOADS?|STORE|CSV|IMPORT|GROUP|UPSTREAM|TEMPLATE|NATIVE|DRAIN|INTAKE|EVENTS?|WEBHOOK)_/;
/** Variables that Kubernetes sets in every pod for each service, this one included. */
const ofKubernetes = /_(SERVICE_(HOST|PORT)(_[A-Z0-9_]+)?|PORT(_\d+_(TCP|UDP)(_[A-Z]+)?)?)$/;
/** Shorter names are near to too many words. */
const longEnough = 8;

/** Settings that would count for nothing: with a prefix of ours and not known, or nearly one that is. */
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

/** A debugger, profiles and dumps show the key, key logs the traffic, old TLS weakens it; the parser would take what is no HTTP. */
const dangerous =
  /^--(inspect|debug-port|heapsnapshot|heap-prof|cpu-prof|prof|diagnostic-dir|report|trace-tls|trace-event|tls-keylog|tls-min-v1\.[01]|tls-cipher-list|insecure-http-parser|use-env-proxy)/;

/** The dangerous ones among options of Node, however they are spelt: Node reads underscores as dashes. */
export function dangerousOptions(words: readonly string[]): string[] {
  const plain = words.map((word) =>
    (word.replace(/["']/g, '').split('=', 1)[0] ?? '').toLowerCase().replaceAll('_', '-'),
  );
  return plain.filter((word) => dangerous.test(word)).map((word) => word.slice(0, 40));
}
