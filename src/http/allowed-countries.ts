import type { FastifyRequest } from 'fastify';

/** The countries that a caller may reach; without any, all. */
export function narrowed(
  { caller }: Pick<FastifyRequest, 'caller'>,
  defaultCountries: readonly string[],
): { countries?: readonly string[] } {
  // An empty list of the entry lets nothing through; no default narrows nothing.
  const countries = caller?.countries ?? (defaultCountries.length > 0 ? defaultCountries : undefined);
  return countries === undefined ? {} : { countries };
}
