import { readFileSync } from 'node:fs';
import { Ajv } from 'ajv';
import { expect } from 'vitest';
import { parse } from 'yaml';
import { scopes } from '../../src/callers.ts';
import { isRecord, type Json } from './json.ts';
import { type Answer, startService } from './service.ts';

/** One operation of the running app, read from openapi.yaml: a route added later is covered without a new line here. */
export interface Operation {
  id: string;
  method: string;
  /** As in the document: `/v1/contacts/{recipient}`. */
  path: string;
  scope: string | undefined;
  /** Takes `Maton-Connection`. */
  connection: boolean;
  parameters: Parameter[];
  /** The schema of its JSON body, references resolved. */
  body: Json | undefined;
  bodyExample: unknown;
  /** Takes a multipart form, which flows through: no schema validates it. */
  form: boolean;
  /** As it stands in the document. */
  raw: Json;
}

export interface Parameter {
  in: string;
  name: string;
  required: boolean;
  schema: Json;
  example: unknown;
}

let known: Json | undefined;

/** `npm run openapi` writes it from the routes, and CI checks that it has. It depends on no setting. */
function readDocument(): Json {
  if (known !== undefined) return known;
  const document: unknown = parse(readFileSync('openapi.yaml', 'utf8'));
  if (!isRecord(document)) throw new Error('no document');
  known = document;
  return document;
}

export function operationsOf(): Operation[] {
  const document = readDocument();
  return entries(document.paths).flatMap(([path, item]) =>
    entries(item).map(([method, raw]) => toOperation(document, path, method.toUpperCase(), raw)),
  );
}

/** A service with its document, and what stands in it. */
export async function startDocumented() {
  const service = await startService({ settings: { DOCS: 'on' } });
  return { service, document: readDocument(), operations: operationsOf() };
}

/** In an order in which all of them can be asked: the connection is deleted last. */
export const operationsInOrder = (): Operation[] =>
  operationsOf().toSorted((a, b) => Number(a.method === 'DELETE') - Number(b.method === 'DELETE'));

function toOperation(document: Json, path: string, method: string, raw: Json): Operation {
  const parameters = list(raw.parameters).map((parameter) => ({
    in: String(parameter.in),
    name: String(parameter.name),
    required: parameter.required === true,
    schema: record(resolved(document, parameter.schema)),
    example: parameter.example,
  }));
  const content = isRecord(raw.requestBody) ? record(raw.requestBody.content)['application/json'] : undefined;
  const body = isRecord(content) ? record(resolved(document, content.schema)) : undefined;
  return {
    id: String(raw.operationId),
    method,
    path,
    scope: scopes.find((scope) => String(raw.description).includes(`the scope \`${scope}\``)),
    connection: parameters.some(({ name }) => name === 'Maton-Connection'),
    parameters,
    body,
    form: isRecord(raw.requestBody) && 'multipart/form-data' in record(raw.requestBody.content),
    bodyExample: isRecord(content) ? (content.example ?? firstOf(body)) : undefined,
    raw,
  };
}

const firstOf = (schema: Json | undefined) => (Array.isArray(schema?.examples) ? schema.examples[0] : undefined);

/** A request that the operation takes: every required parameter, and the body of the document's example. */
export function goodRequest(operation: Operation) {
  const value = ({ name, example }: Parameter) => {
    if (example === undefined) throw new Error(`${operation.id}: ${name} has no example in the document`);
    return String(example);
  };
  const of = (place: string) => operation.parameters.filter((parameter) => parameter.in === place);
  const path = of('path').reduce(
    (text, parameter) => text.replace(`{${parameter.name}}`, value(parameter)),
    operation.path,
  );
  const required = (place: string) => of(place).filter((parameter) => parameter.required);
  const query = required('query').map((parameter) => `${parameter.name}=${encodeURIComponent(value(parameter))}`);
  return {
    path,
    query,
    headers: Object.fromEntries(required('header').map((parameter) => [parameter.name, value(parameter)])),
    body: operation.body === undefined ? undefined : operation.bodyExample,
  };
}

/** What the document says of the body of an answer with this status; absent where it is not JSON. */
export function successSchema(operation: Operation, status: number): Json | undefined {
  if (status >= 300) return undefined;
  const answer = record(record(operation.raw.responses)[String(status)]);
  const { schema } = record(record(answer.content)['application/json']);
  return isRecord(schema) ? record(resolved(readDocument(), schema)) : undefined;
}

/** Checks shape, content type and that the document speaks of the very request that was made. */
export function problemChecker() {
  const document = readDocument();
  const schema = record(resolved(document, record(record(document.components).schemas).Problem));
  const ajv = new Ajv({ strict: false, allErrors: true });
  const validate = ajv.compile({ ...schema, additionalProperties: false });
  return (answer: Answer, statuses: readonly number[], about: string) => {
    expect(statuses, `${about}: ${answer.status} ${answer.text.slice(0, 300)}`).toContain(answer.status);
    expect(answer.headers['content-type'], about).toBe('application/problem+json');
    expect(validate(answer.json) ? [] : validate.errors, about).toEqual([]);
    expect(answer.json, about).toMatchObject({ status: answer.status, requestId: answer.headers['x-request-id'] });
  };
}

/** `$ref`s of the document followed, all the way down. */
function resolved(document: Json, value: unknown): unknown {
  if (Array.isArray(value)) return value.map((item) => resolved(document, item));
  if (!isRecord(value)) return value;
  if (typeof value.$ref === 'string') {
    const target = value.$ref
      .slice(2)
      .split('/')
      .reduce<unknown>((at, name) => record(at)[name], document);
    return resolved(document, target);
  }
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, resolved(document, inner)]));
}

export const record = (value: unknown): Json => (isRecord(value) ? value : {});
export const entries = (value: unknown): [string, Json][] =>
  Object.entries(record(value)).map(([name, inner]) => [name, record(inner)]);
const list = (value: unknown): Json[] => (Array.isArray(value) ? value.map(record) : []);
