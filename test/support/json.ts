export type Json = Readonly<Record<string, unknown>>;

export const isRecord = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The end of a problem's `type`, wherever the service was asked; undefined of all else. */
export const slugOf = (json: unknown): string | undefined =>
  isRecord(json) && typeof json.type === 'string' ? /\/problems\/([a-z-]+)$/.exec(json.type)?.[1] : undefined;
