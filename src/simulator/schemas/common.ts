import { type TProperties, type TSchema, Type } from 'typebox';

/** A fault in a request. WATI itself refuses those with `answered` with a 400; the others only break what our client promises. */
export interface Finding {
  readonly text: string;
  readonly answered: boolean;
}

export interface Examined {
  readonly params: Readonly<Record<string, string>>;
  readonly query: Readonly<Record<string, string | string[]>>;
  readonly json: unknown;
}

/** Rules for a request of one operation. */
export interface Rule {
  readonly params?: TSchema;
  readonly query: TSchema;
  /** The JSON body; absent if there must be none. */
  readonly body?: TSchema;
  /** Rules that a schema cannot express. Run only for a request that passed the schemas. */
  readonly further?: (request: Examined) => readonly Finding[];
}

/** WATI matches names without case. Our client must use the documented spelling, and send no other names. */
export function exact<P extends TProperties>(properties: P) {
  return Type.Object(properties, { additionalProperties: false });
}

export function text(max: number) {
  return Type.String({ minLength: 1, maxLength: max });
}

/** Digits with country code, no plus sign: the form that WATI documents. */
export const Phone = Type.String({ pattern: '^[1-9][0-9]{6,14}$' });

/** Phone number, contact id or BSUID. */
export const Target = Type.String({
  pattern: '^([1-9][0-9]{6,14}|[0-9a-f]{24}|[A-Z]{2}\\.(ENT\\.)?[A-Za-z0-9]{1,128})$',
});

export const NameValue = exact({ name: Type.String({ minLength: 1 }), value: Type.String() });

export const paging = {
  pageSize: Type.Optional(Type.String({ pattern: '^[1-9][0-9]{0,3}$' })),
  pageNumber: Type.Optional(Type.String({ pattern: '^[0-9]{1,9}$' })),
};

export function noted(message: string): Finding {
  return { text: message, answered: false };
}

export function answered(message: string): Finding {
  return { text: message, answered: true };
}

/** The reason why Meta refuses a template value, if it does. */
export function faultOfValue(value: string): string | undefined {
  if (value.trim() === '') return 'is blank';
  if (/[\n\r]/.test(value)) return 'has a line break';
  if (value.includes('\t')) return 'has a tab';
  if (value.includes('    ')) return 'has four spaces in a row';
  return undefined;
}

/** The texts that occur more than once. */
export function repeated(texts: readonly string[]): readonly string[] {
  return texts.filter((each, index) => texts.indexOf(each) !== index);
}
