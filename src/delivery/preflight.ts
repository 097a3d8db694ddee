import { type FieldError, Problem } from '../problem.ts';
import { valueFault } from '../template-value.ts';
import type { WatiTemplate } from '../upstream/templates.ts';
import type { Content } from './content.ts';

/** There is such a template, and WATI may send it (contract 8.7). */
export function checkTemplate(template: WatiTemplate | undefined, name: string): WatiTemplate {
  if (!template) throw new Problem('template-unknown', `WATI has no template "${name}"`);
  if (template.status === 'approved') return template;
  throw new Problem('template-unknown', `the template "${name}" is ${template.status}, not approved`);
}

/** The same of whatever is to be sent: a template must be approved, and its parameters fit; all else passes. */
export async function checkContent(
  content: Content,
  find: (name: string) => Promise<WatiTemplate | undefined>,
): Promise<void> {
  if (content.kind !== 'template') return;
  const { template, parameters = {} } = content.body;
  checkParameters(checkTemplate(await find(template), template), parameters);
}

/** What WATI refuses, or sends wrongly without a word, is found before a byte goes out (upstream.md 3.6). */
export function checkParameters(template: WatiTemplate, parameters: Readonly<Record<string, string>>): void {
  const errors = parameterFaults(template.names, parameters);
  if (errors.length > 0) throw new Problem('template-parameters-invalid', faultCount(errors.length), { errors });
}

const faultCount = (count: number) => `${count} parameter${count === 1 ? ' is' : 's are'} at fault`;

/** Every fault of the parameters, in the order of the template, superfluous ones last. */
export function parameterFaults(names: readonly string[], parameters: Readonly<Record<string, string>>): FieldError[] {
  const missing = names.flatMap((name): FieldError[] => {
    const value = Object.hasOwn(parameters, name) ? parameters[name] : undefined;
    const detail = value === undefined ? 'is missing' : valueFault(value);
    return detail === undefined ? [] : [{ pointer: pointerTo(name), detail }];
  });
  // WATI drops these silently and sends without them (upstream.md 3.6): the caller must hear of the misspelling.
  const superfluous = Object.keys(parameters)
    .filter((name) => !names.includes(name))
    .map((name) => ({
      pointer: pointerTo(name),
      detail: `is not a parameter of this template; it takes ${listed(names)}`,
    }));
  return [...missing, ...superfluous];
}

const listed = (names: readonly string[]) => (names.length === 0 ? 'none' : names.join(', '));

/** RFC 6901: `~` and `/` in a name are escaped. */
const pointerTo = (name: string) => `/parameters/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`;
