/** The name of a property as a part of a JSON pointer (RFC 6901), with its slash. */
export const pointerPart = (name: string): string => `/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`;
