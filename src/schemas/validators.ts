import { Ajv } from 'ajv';
import type { PhoneNumbers } from '../recipients/phone-numbers.ts';
import { addKeywords } from './schema-keywords.ts';

/** Compiles the schemas of requests. Each keeps what it has compiled, by the identity of the schema. */
export interface Validators {
  /** For bodies: stops at the first fault. */
  readonly failFast: Ajv;
  readonly allErrors: Ajv;
  /** For values that always arrive as text: query, path, headers. */
  readonly coercing: Ajv;
}

export function createValidators(numbers: PhoneNumbers): Validators {
  // The schemas are checked together with openapi.yaml. Checking them at every start would cost time and memory.
  const trusted = { meta: false, validateSchema: false } as const;
  // The error messages are built from the type of the value and the schema (src/schemas/schema-errors.ts).
  const shared = { ...trusted, verbose: true, useDefaults: true, removeAdditional: false, strict: true } as const;
  const validators = {
    failFast: new Ajv({ ...shared, coerceTypes: false }),
    allErrors: new Ajv({ ...shared, coerceTypes: false, allErrors: true }),
    coercing: new Ajv({ ...shared, coerceTypes: 'array', allErrors: true }),
  };
  for (const ajv of Object.values(validators)) addKeywords(ajv, numbers);
  return validators;
}
