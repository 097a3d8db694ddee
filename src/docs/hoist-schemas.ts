import { isJson, type Json, problemExamples } from './openapi-examples.ts';

/** Schemas with a title become components, so that generated clients have names for them. */
export function hoistSchemas(document: Json): object {
  const schemas: Json = {};
  const walk = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(walk);
    if (!isJson(value)) return value;
    const copy = Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, walk(inner)]));
    const { title } = copy;
    if (typeof title !== 'string' || !/^[A-Z][A-Za-z]+$/.test(title) || !('type' in copy || 'anyOf' in copy))
      return copy;
    const known = schemas[title];
    if (known !== undefined && JSON.stringify(known) !== JSON.stringify(copy)) {
      throw new Error(`two different schemas are called ${title}`);
    }
    schemas[title] = copy;
    return { $ref: `#/components/schemas/${title}` };
  };
  const paths = walk(document.paths);
  const webhooks = walk(document.webhooks);
  const components = isJson(document.components) ? document.components : {};
  const text = JSON.stringify(paths);
  const used = Object.entries(problemExamples).filter(([slug]) => text.includes(`/examples/${slug}"`));
  return { ...document, paths, webhooks, components: { ...components, schemas, examples: Object.fromEntries(used) } };
}
