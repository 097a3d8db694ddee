import { counted } from '../lib/counted.ts';
import { didYouMean } from '../lib/did-you-mean.ts';
import { pointerPart } from '../lib/json-pointer.ts';
import { type FieldError, Problem } from '../problem.ts';
import type { WatiTemplate } from '../upstream/templates.ts';
import type { TemplateMatches, Wanted } from './template-cache.ts';
import { lengthFaults } from './template-text.ts';
import { valueFault } from './template-value.ts';

/** A template that may be sent, in all languages in which it may: WATI takes only the name, and chooses the language. */
export type Sendable = readonly [WatiTemplate, ...WatiTemplate[]];

/** Throws the Problem of a message whose template is not approved, or whose parameters do not fit it. */
export async function checkTemplateMessage(
  { template, parameters = {} }: { template: string; parameters?: Parameters },
  find: (name: string, wanted: Wanted) => Promise<TemplateMatches>,
): Promise<void> {
  checkParameters(checkTemplate(await find(template, { fits: takes(parameters) }), template), parameters);
}

/** The approved versions of a template. Throws `template-unknown` if there is none. */
export function checkTemplate({ versions, near }: TemplateMatches, name: string): Sendable {
  const [first, ...others] = versions.filter(({ status }) => status === 'approved');
  if (first) return [first, ...others];
  const [known] = versions;
  if (known) throw new Problem('template-unknown', `the template "${name}" is ${known.status}, not approved`);
  throw new Problem('template-unknown', `WATI has no template "${name}"${meant(near)}`);
}

export const meant = (near: string | undefined): string => (near === undefined ? '' : `; did you mean "${near}"?`);

/** Whether these are names of the template's parameters. If not, the template may have changed since it was read. */
export const takes =
  (parameters: Parameters) =>
  (template: Takes): boolean =>
    nameFaults(template, parameters).length === 0;

type Parameters = Readonly<Record<string, string>>;
type Takes = Pick<WatiTemplate, 'names' | 'others' | 'open'>;

/** Throws the faults that WATI would refuse, or send wrongly without an error. */
export function checkParameters(versions: Sendable, parameters: Parameters): void {
  const [first] = versions;
  if (versions.some((each) => parameterFaults(each, parameters).length === 0)) return;
  const errors = parameterFaults(first, parameters);
  const detail = `${faultCount(errors.length)}${languagesOf(versions)}`;
  throw new Problem('template-parameters-invalid', detail, { errors });
}

const faultCount = (count: number) => `${counted(count, 'parameter is', 'parameters are')} at fault`;

/** Adds which of several languages the faults refer to. */
export function languagesOf([{ language = 'unknown' }, ...others]: Sendable): string {
  if (others.length === 0) return '';
  const more = others.map((each) => each.language ?? 'unknown').join(', ');
  return `. It is approved in several languages, of which WATI chooses; this is said of ${language}, and it fits ${more} as little`;
}

/** All faults of the parameters in the order of the template, superfluous ones last; if there is none, texts that become too long. */
export function parameterFaults(template: WatiTemplate, parameters: Parameters): FieldError[] {
  const faults = [...valueFaults(template, parameters), ...nameFaults(template, parameters)];
  if (faults.length === 0) return lengthFaults(template, parameters);
  faults.sort((one, other) => placeIn(template, one) - placeIn(template, other));
  return faults.map(({ name, detail }) => ({ pointer: pointerTo(name), detail }));
}

interface Fault {
  name: string;
  detail: string;
}

const placeIn = ({ names }: Takes, { name }: Fault) => (names.includes(name) ? names.indexOf(name) : names.length);

/** Values that WhatsApp refuses. A value makes the call fail even if no variable uses it. */
function valueFaults({ names, others, open }: Takes, parameters: Parameters): Fault[] {
  const taken = open ? Object.keys(parameters) : [...names, ...others];
  return taken.flatMap((name) => {
    const value = Object.hasOwn(parameters, name) ? parameters[name] : undefined;
    const detail = value === undefined ? undefined : valueFault(value);
    return detail === undefined ? [] : [{ name, detail }];
  });
}

function nameFaults({ names, others, open }: Takes, parameters: Parameters): Fault[] {
  const missing = names.filter((name) => !Object.hasOwn(parameters, name));
  // WATI drops unknown names silently and sends without them, so the caller has to be told of a misspelling.
  const superfluous = open
    ? []
    : Object.keys(parameters).filter((name) => !names.includes(name) && !others.includes(name));
  if (missing.length === 0 && superfluous.length === 0) return [];
  return [
    ...missing.map((name) => ({ name, detail: 'is missing' })),
    ...superfluous.map((name) => ({
      name,
      detail: `is not a parameter of this template; it takes ${listed(names)}${didYouMean(name, missing)}`,
    })),
  ];
}

const listed = (names: readonly string[]) => (names.length === 0 ? 'none' : names.join(', '));

/** RFC 6901: `~` and `/` in a name are escaped. */
const pointerTo = (name: string) => `/parameters${pointerPart(name)}`;

/** The columns of a file of recipients: those that every version requires, and those that some accept. */
export function columnsOf(versions: Sendable) {
  const [{ names }] = versions;
  const required = names.filter((name) => versions.every((each) => each.names.includes(name)));
  const all = versions.flatMap((each) => [...each.names, ...each.others]);
  return {
    requiredColumns: required,
    optionalColumns: [...new Set(all)].filter((name) => !required.includes(name)),
    /** Parameters as a whole that no version accepts. */
    rowFault: (values: Parameters): string | undefined => {
      const faults = versions.map((each) => parameterFaults(each, values)[0]);
      const [fault] = faults;
      if (fault === undefined || faults.includes(undefined)) return undefined;
      return `${fault.pointer.replace(/^\/parameters\/?/, '')} ${fault.detail}`.trimStart();
    },
  };
}
