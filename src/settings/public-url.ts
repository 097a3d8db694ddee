import { Type } from '../lib/type.ts';

/** A setting with the address under which others reach a listener of this service: an origin, perhaps with a path. */
export const publicUrl = (example: string, description: string) =>
  Type.Optional(
    Type.String({
      description,
      pattern:
        '^https?://([A-Za-z0-9.-]{1,253}|\\[[0-9A-Fa-f:.]{2,45}\\])(:[0-9]{1,5})?(/[A-Za-z0-9._~-]{1,64}){0,8}/?$',
      'x-form': `an address such as ${example}, without a user, a query and a fragment`,
    }),
  );
