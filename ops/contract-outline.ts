/** What callers hold on to of openapi.yaml: no words, no examples. Kept in ops/contract.yaml as it was last agreed. */
export interface Outline {
  /** By method and path. */
  operations: Record<string, OperationOutline>;
  schemas: Record<string, Schema>;
}

export interface OperationOutline {
  id: string;
  /** Absent where no key is needed. */
  scope?: string;
  /** By place and name. */
  parameters: Record<string, { required: boolean; schema: Schema }>;
  body?: { required: boolean; content: Record<string, Schema> };
  answers: Record<string, { headers: string[]; content: Record<string, Schema> }>;
  /** By status: the slugs of the problem types. */
  problems: Record<string, string[]>;
}

export type Schema = Record<string, unknown>;

export const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const record = (value: unknown) => (isRecord(value) ? value : {});
const list = (value: unknown): unknown[] => (Array.isArray(value) ? value : []);
const map = <Value>(of: unknown, each: (value: Record<string, unknown>, name: string) => Value) =>
  Object.fromEntries(Object.entries(record(of)).map(([name, value]) => [name, each(record(value), name)]));

const methods = ['get', 'put', 'post', 'patch', 'delete'];
const problemJson = 'application/problem+json';

/** The outline of an OpenAPI 3.1 document. */
export function outlineOf(document: unknown): Outline {
  const { paths, components } = record(document);
  const operations = Object.entries(record(paths)).flatMap(([path, item]) =>
    Object.entries(record(item))
      .filter(([method]) => methods.includes(method))
      .map(([method, operation]): [string, OperationOutline] => [
        `${method.toUpperCase()} ${path}`,
        operationOf(record(operation)),
      ]),
  );
  return {
    operations: Object.fromEntries(operations),
    schemas: map(record(components).schemas, wordless),
  };
}

function operationOf(raw: Record<string, unknown>): OperationOutline {
  const scope = /Needs the scope `([a-z:]+)`/.exec(String(raw.description))?.[1] ?? 'any';
  const parameters = list(raw.parameters).map(record);
  const body = record(raw.requestBody);
  const isProblem = ([, answer]: [string, unknown]) => problemJson in record(record(answer).content);
  const responses = Object.entries(record(raw.responses));
  return {
    id: String(raw.operationId),
    ...(list(raw.security).length > 0 && { scope }),
    parameters: Object.fromEntries(
      parameters.map((each) => [
        `${each.in} ${String(each.name).toLowerCase()}`,
        { required: each.required === true, schema: wordless(record(each.schema)) },
      ]),
    ),
    ...(isRecord(raw.requestBody) && { body: { required: body.required === true, content: contentOf(body) } }),
    answers: map(Object.fromEntries(responses.filter((each) => !isProblem(each))), (answer) => ({
      headers: Object.keys(record(answer.headers)).map((name) => name.toLowerCase()),
      content: contentOf(answer),
    })),
    problems: map(Object.fromEntries(responses.filter(isProblem)), (answer) =>
      Object.keys(record(record(record(answer.content)[problemJson]).examples)).sort(),
    ),
  };
}

const contentOf = ({ content }: Record<string, unknown>) => map(content, ({ schema }) => wordless(record(schema)));

const words = ['title', 'description', 'examples', 'example', 'default'];

/** A schema without its words. Members of an object may be called like one: they are not words. */
function wordless(schema: Record<string, unknown>): Schema {
  const inner = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(inner);
    return isRecord(value) ? wordless(value) : value;
  };
  const kept = Object.entries(schema).filter(([name]) => !words.includes(name));
  return Object.fromEntries(
    kept.map(([name, value]) => [name, name === 'properties' ? map(value, wordless) : inner(value)]),
  );
}
