import type { FastifyRequest } from 'fastify';

/** The countries that a caller may send to. Empty if there is no restriction: then all. */
export function narrowed(
  { caller }: Pick<FastifyRequest, 'caller'>,
  defaultCountries: readonly string[],
): { countries?: readonly string[] } {
  // An empty list in the caller's entry allows no country; an empty default restricts nothing.
  const countries = caller?.countries ?? (defaultCountries.length > 0 ? defaultCountries : undefined);
  return countries === undefined ? {} : { countries };
}
