import type { IncomingMessage } from 'node:http';
import type { TSchema } from 'typebox';
import { Compile, type Validator } from 'typebox/compile';
import type { Operation, Route } from './operations.ts';
import { answered, type Examined, type Finding, noted, type Rule } from './schemas/common.ts';
import { rules } from './schemas/rules.ts';
import type { UploadFault } from './upload.ts';

/** Headers that our client sends. Any other one came from a caller and was wrongly passed on. */
const headersAllowed = new Set([
  'host',
  'connection',
  'authorization',
  'maton-connection',
  'accept',
  'user-agent',
  'content-type',
  'content-length',
  'transfer-encoding',
]);

interface Compiled {
  readonly rule: Rule;
  readonly params: Validator | undefined;
  readonly query: Validator;
  readonly body: Validator | undefined;
}

export interface Checked extends Examined {
  readonly route: Route;
  readonly request: IncomingMessage;
  /** The body of a request that is no upload. */
  readonly bodyBytes: number;
  readonly upload: UploadFault | undefined;
}

/** Compiled when an operation is first called, and shared by all simulators of a process, because the rules are constant. */
const compiled = new Map<Operation, Compiled>();

function compiledFor(operation: Operation): Compiled {
  const known = compiled.get(operation);
  if (known) return known;
  const rule: Rule = rules[operation];
  const made = {
    rule,
    params: rule.params && Compile(rule.params),
    query: Compile(rule.query),
    body: rule.body && Compile(rule.body),
  };
  compiled.set(operation, made);
  return made;
}

/** All violations of the operation's documented form in a request. */
export function check(checked: Checked): readonly Finding[] {
  const { rule, params, query, body } = compiledFor(checked.route.operation);
  const shape = [
    ...faults(params, checked.params, { where: 'path', what: 'parameter' }),
    ...faults(query, checked.query, { where: 'query', what: 'parameter' }),
    ...(body ? faults(body, checked.json, { where: 'body', what: 'property' }) : []),
  ];
  const further = shape.length === 0 ? (rule.further?.(checked) ?? []) : [];
  return [...headerFindings(checked), ...bodyFindings(checked), ...shape.map(answered), ...further];
}

function faults(
  validator: Validator<Record<string, TSchema>, TSchema> | undefined,
  value: unknown,
  { where, what }: { where: string; what: string },
): string[] {
  if (!validator || validator.Check(value)) return [];
  return validator.Errors(value).flatMap((error) => {
    // Ajv reports a refused additional property twice; the other report names it.
    if (error.keyword === 'boolean') return [];
    const at = `${where}${error.instancePath === '' ? '' : ` ${error.instancePath.slice(1)}`}`;
    if (error.keyword === 'additionalProperties') {
      const names = error.params.additionalProperties.join(', ');
      return [`${at} has an unknown ${what} ${names}`];
    }
    if (error.keyword === 'required') return [`${at} lacks ${error.params.requiredProperties.join(', ')}`];
    return [`${at} ${error.message}`];
  });
}

function headerFindings({ request }: Checked): readonly Finding[] {
  const leaked = Object.keys(request.headers).filter((name) => !headersAllowed.has(name));
  return leaked.map((name) => noted(`has the header ${name}, which must not reach the upstream`));
}

function bodyFindings({ route, request, bodyBytes, upload }: Checked): readonly Finding[] {
  const type = request.headers['content-type'];
  if (route.body === 'json') {
    const good = /^application\/json(;\s*charset=utf-8)?$/i.test(type ?? '');
    return good ? [] : [noted(`has the content type ${type ?? 'none'} where JSON is sent`)];
  }
  if (route.body === 'file') return upload === undefined ? [] : [noted(upload)];
  return bodyBytes === 0 ? [] : [noted('has a body where all is in the path and the query')];
}
