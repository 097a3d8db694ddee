import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { Registry } from '@prometheus-io/client';
import type { Readiness } from '../src/readiness.ts';
import { answers } from '../src/schemas/common.ts';
import { Live, Ready } from '../src/schemas/health.ts';

interface Services {
  readiness: Readiness;
  registry: Registry;
}

/** Routes for operators and load balancers. */
export const healthAndMetrics: FastifyPluginAsyncTypebox<Services> = async (app, { readiness, registry }) => {
  app.get(
    '/health/live',
    {
      config: { isProbe: true },
      schema: {
        operationId: 'getLiveness',
        tags: ['operations'],
        summary: 'Whether the process runs',
        description: 'Needs no key.',
        response: { 200: Live },
      },
    },
    () => ({ status: 'live' as const }),
  );

  app.get(
    '/health/ready',
    {
      config: { isProbe: true },
      schema: {
        operationId: 'getReadiness',
        tags: ['operations'],
        summary: 'Whether the service can do its work',
        description:
          'Needs no key. 503 when messages cannot be recorded, when Maton refuses the key, when no usable connection exists, while a start looks through what was left behind (`recovering`), or while the service goes down. A gateway that does not answer is told and does not take the service out. The upstream is asked at most once in ten seconds.',
        response: { 200: Ready, 503: answers('Send no requests here.', Ready) },
      },
    },
    async (_request, reply) => {
      const state = await readiness.check();
      return reply.code(state.status === 'ready' ? 200 : 503).send(state);
    },
  );

  app.get(
    '/metrics',
    {
      config: { scope: 'metrics:read', produces: 'text/plain' },
      schema: {
        operationId: 'getMetrics',
        tags: ['operations'],
        summary: 'Metrics',
        description: 'Prometheus text format.',
      },
    },
    async (_request, reply) => reply.type(registry.contentType).send(await registry.metrics()),
  );
};
