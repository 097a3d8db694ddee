/** The text of this name in the body or the query of a request. */
export function textIn(part: unknown, name: string): string | undefined {
  const value: unknown = typeof part === 'object' && part !== null ? Reflect.get(part, name) : undefined;
  return typeof value === 'string' ? value : undefined;
}
