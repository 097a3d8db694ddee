/** Milliseconds as ISO 8601; what is not known is left out. */
export function isoTimes<Name extends string>(times: Record<Name, number | undefined>) {
  const known = Object.entries<number | undefined>(times).flatMap(([name, at]) =>
    at === undefined ? [] : [[name, new Date(at).toISOString()]],
  );
  return Object.fromEntries(known) as { [Key in Name]?: string };
}
