/** Given these, Fastify does not load compilers of its own for schemas. plugins/validation.ts sets those that are used. */
export const schemaController = {
  compilersFactory: {
    buildValidator: () => {
      throw new Error('a route has a schema, and no validator is set');
    },
    buildSerializer: () => () => JSON.stringify,
  },
};
