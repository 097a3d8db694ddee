import { isRecord, type OperationOutline, type Outline, type Schema } from './contract-outline.ts';

/** What is asked of callers, or answered to them: what may change differs. */
type Side = 'request' | 'answer';
type Say = (what: string) => void;

/**
 * Every change from `before` to `now` that can break a caller who did nothing, each with the operations that it is in.
 * What is asked may only become less, what is answered only more.
 */
export function breaksBetween(before: Outline, now: Outline): string[] {
  const found = new Map<string, Set<string>>();
  for (const [call, old] of Object.entries(before.operations)) {
    const say: Say = (what) => found.set(what, (found.get(what) ?? new Set()).add(old.id));
    const operation = now.operations[call];
    if (operation) operationBreaks(old, operation, { say, compare: schemasOf(before, now, say) });
    else say(`${call} is gone`);
  }
  const everywhere: Say = (what) => found.set(what, new Set(['every refusal']));
  if (before.schemas.Problem) {
    const compare = schemasOf(before, now, everywhere);
    compare({ side: 'answer', at: 'Problem' }, ref('Problem'), ref('Problem'));
  }
  return [...found].map(([what, where]) => `${what} (${named([...where])})`);
}

const ref = (name: string): Schema => ({ $ref: `#/components/schemas/${name}` });

const named = (ids: string[]) =>
  ids.length > 4 ? `${ids.slice(0, 3).join(', ')} and ${ids.length - 3} more` : ids.join(', ');

interface Place {
  side: Side;
  /** As it is named to the reader. */
  at: string;
}

type Compare = (place: Place, before: Schema, now: Schema) => void;

interface Report {
  say: Say;
  compare: Compare;
}

function operationBreaks(before: OperationOutline, now: OperationOutline, { say, compare }: Report) {
  if (before.id !== now.id) say(`the operation is called ${now.id} now`);
  if (before.scope !== now.scope && now.scope !== undefined) say(`it needs the scope ${now.scope} now`);

  for (const [name, { required, schema }] of Object.entries(now.parameters)) {
    const old = before.parameters[name];
    if (required && !old?.required) say(`the parameter "${name}" is required now`);
    if (old) compare({ side: 'request', at: `the parameter "${name}"` }, old.schema, schema);
  }
  for (const name of missing(before.parameters, now.parameters)) say(`the parameter "${name}" is gone`);

  if (now.body?.required && !before.body?.required) say('a body is required now');
  for (const [type, schema] of Object.entries(before.body?.content ?? {})) {
    const taken = now.body?.content[type];
    if (taken) compare({ side: 'request', at: 'the body' }, schema, taken);
    else say(`a body of ${type} is not taken any more`);
  }

  for (const [status, { headers, content }] of Object.entries(before.answers)) {
    const answer = now.answers[status];
    if (!answer) {
      say(`the answer ${status} is gone`);
      continue;
    }
    for (const name of headers.filter((each) => !answer.headers.includes(each)))
      say(`the answer ${status} has no header ${name} any more`);
    for (const [type, schema] of Object.entries(content)) {
      const given = answer.content[type];
      if (given) compare({ side: 'answer', at: `the answer ${status}` }, schema, given);
      else say(`the answer ${status} is no ${type} any more`);
    }
  }
  for (const [status, slugs] of Object.entries(before.problems)) {
    const kept = now.problems[status];
    if (!kept) say(`the problem status ${status} is gone`);
    for (const slug of slugs.filter((each) => kept && !kept.includes(each))) say(`${status} is never ${slug} any more`);
  }
}

/** Compares two schemas by their names and members; a name is followed once on each way. */
function schemasOf(before: Outline, now: Outline, say: Say): Compare {
  const compareOn = ({ side, at, way }: Place & { way: readonly string[] }, old: Schema, current: Schema) => {
    const [a, b] = [followed(before, old), followed(now, current)];
    const here = a.name ?? at;
    if (a.name !== undefined && way.includes(a.name)) return;
    const further = a.name === undefined ? way : [...way, a.name];
    const inner = (x: unknown, y: unknown, place: string) => {
      if (isRecord(x) && isRecord(y)) compareOn({ side, at: place, way: further }, x, y);
    };
    if (kind(a.schema) !== kind(b.schema)) return say(`${here} is ${kind(b.schema)}, and was ${kind(a.schema)}`);
    for (const word of ['anyOf', 'oneOf', 'allOf', 'not'])
      if (!same(a.schema[word], b.schema[word])) say(`${here} has other alternatives`);
    const where = { side, at: here, say };
    valueBreaks(where, a.schema, b.schema);
    memberBreaks(where, a.schema, b.schema);
    const [members, others] = [entries(a.schema.properties), b.schema.properties];
    for (const [name, member] of members) if (isRecord(others)) inner(member, others[name], `${here}.${name}`);
    inner(a.schema.items, b.schema.items, `an item of ${here}`);
    inner(a.schema.additionalProperties, b.schema.additionalProperties, `a member of ${here}`);
  };
  return (place, old, current) => compareOn({ ...place, way: [] }, old, current);
}

function followed(outline: Outline, schema: Schema): { schema: Schema; name?: string } {
  if (typeof schema.$ref !== 'string') return { schema };
  const name = schema.$ref.slice('#/components/schemas/'.length);
  return { schema: outline.schemas[name] ?? {}, name };
}

const upper = ['maximum', 'maxLength', 'maxItems', 'maxProperties'];
const lower = ['minimum', 'minLength', 'minItems', 'minProperties'];

function valueBreaks({ side, at, say }: Place & { say: Say }, before: Schema, now: Schema) {
  const [old, current] = [before.enum, now.enum].map((values) => (Array.isArray(values) ? values : undefined));
  const gone = old && current ? old.filter((value) => !current.includes(value)) : [];
  const added = old && current ? current.filter((value) => !old.includes(value)) : [];
  for (const value of gone)
    say(side === 'request' ? `${at} may not be ${value} any more` : `${at} is never ${value} any more`);
  if (side === 'answer') {
    for (const value of added) say(`${at} may be ${value} now, which callers do not know`);
    if (old && !current) say(`${at} may be anything now`);
    return;
  }
  if (current && !old) say(`${at} must be one of ${current.join(', ')} now`);
  if (now.pattern !== undefined && now.pattern !== before.pattern) say(`${at} has another pattern`);
  for (const word of upper)
    if (Number(now[word] ?? Infinity) < Number(before[word] ?? Infinity)) say(`${at}: ${word} is ${now[word]} now`);
  for (const word of lower)
    if (Number(now[word] ?? -Infinity) > Number(before[word] ?? -Infinity)) say(`${at}: ${word} is ${now[word]} now`);
}

function memberBreaks({ side, at, say }: Place & { say: Say }, before: Schema, now: Schema) {
  for (const name of missing(before.properties, now.properties)) say(`${at}.${name} is gone`);
  const [old, current] = [before.required, now.required].map((names) => (Array.isArray(names) ? names : []));
  if (side === 'request') {
    for (const name of current ?? []) if (!old?.includes(name)) say(`${at}.${name} is required now`);
    if (before.additionalProperties !== false && now.additionalProperties === false)
      say(`${at} takes no other members any more`);
    return;
  }
  const members = isRecord(now.properties) ? now.properties : {};
  for (const name of old ?? [])
    if (!current?.includes(name) && String(name) in members) say(`${at}.${name} may be absent now`);
}

const kind = ({ type, format }: Schema) =>
  [[type].flat().join(' or ') || 'anything', ...(format === undefined ? [] : [`(${format})`])].join(' ');
const same = (a: unknown, b: unknown) => JSON.stringify(a) === JSON.stringify(b);
const entries = (value: unknown) => (isRecord(value) ? Object.entries(value) : []);
const missing = (before: unknown, now: unknown) =>
  entries(before)
    .map(([name]) => name)
    .filter((name) => !(isRecord(now) && name in now));
