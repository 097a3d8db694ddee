import { randomUUID } from 'node:crypto';
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import Fastify, { type FastifyInstance, LogController } from 'fastify';
import { broadcastRoutes } from '../routes/broadcast-routes.ts';
import { connections } from '../routes/connections.ts';
import { contacts } from '../routes/contacts.ts';
import { conversations } from '../routes/conversations.ts';
import { events } from '../routes/events.ts';
import { files } from '../routes/files.ts';
import { media } from '../routes/media.ts';
import { messageRecords } from '../routes/message-records.ts';
import { messages } from '../routes/messages.ts';
import { passthrough } from '../routes/passthrough.ts';
import { templates as templateRoutes } from '../routes/templates.ts';
import { webhookEndpoints } from '../routes/webhook-endpoints.ts';
import { hasScope } from './callers.ts';
import type { Config } from './config.ts';
import { clientErrorHandler } from './http/client-errors.ts';
import { frameworkErrors } from './http/framework-errors.ts';
import { createFront } from './http/front.ts';
import { createProblemBase } from './http/problem-base.ts';
import { schemaController } from './http/schema-controller.ts';
import { createMetrics, createProcessMetrics } from './observability/metrics.ts';
import { PhoneNumbers } from './recipients/phone-numbers.ts';
import { registerOperatorRoutes } from './register-operator-routes.ts';
import { type AppParts, type Checks, createChecks, registerPlugins } from './register-plugins.ts';
import type { ServiceOverrides } from './service-overrides.ts';
import { createServices } from './services.ts';

/** The largest body of most routes: twice the largest message, because every letter may be escaped. Broadcasts set their own limit. */
const jsonBytesMax = 64 * 1024;

/**
 * Builds the whole service from its settings, not listening yet: every plugin, then every route file, in order. `close()` waits
 * for sends in progress and closes what was opened here.
 */
export async function buildApp(config: Config, overrides: ServiceOverrides): Promise<FastifyInstance> {
  const front = createFront(config, overrides.logger);
  const app = Fastify({
    loggerInstance: overrides.logger,
    logController: new LogController({ disableRequestLogging: true }),
    genReqId: () => randomUUID(),
    bodyLimit: jsonBytesMax,
    schemaController,
    exposeHeadRoutes: false,
    routerOptions: { maxParamLength: 2048 },
    serverFactory: front.openServer,
    // During shutdown, requests that still arrive over open connections are served.
    return503OnClosing: false,
    frameworkErrors: frameworkErrors(overrides.callers, front),
    clientErrorHandler: clientErrorHandler(createProblemBase(config.PUBLIC_URL)),
  }).withTypeProvider<TypeBoxTypeProvider>();

  const metrics = createMetrics(overrides.processMetrics ?? createProcessMetrics());
  const services = await createServices(config, overrides, metrics);
  const parts: AppParts = { app, config, overrides, front, metrics, services, numbers: new PhoneNumbers() };
  const checks = createChecks(config, services);
  const refuseOtherMethods = await registerPlugins(parts, checks);
  await registerCallerRoutes(parts, checks);
  await registerEventRoutes(parts, checks);
  await registerOperatorRoutes(parts, checks);
  refuseOtherMethods();

  app.addHook('onListen', async () => {
    for (const at of app.addresses()) {
      if (typeof at !== 'string') services.webhooks.addListener({ host: at.address, port: at.port });
    }
  });
  const { onListening } = overrides;
  // Not awaited, so that a slow gateway does not delay the start.
  if (onListening) app.addHook('onListen', async () => void onListening(services.readiness));
  app.addHook('onReady', services.start);
  app.addHook('onClose', async () => {
    await services.close();
    front.close();
    overrides.callers.close();
  });
  return app;
}

async function registerCallerRoutes(parts: AppParts, { stopCheck, listedCheck, resolveContext }: Checks) {
  const { app, config, overrides, front, services, numbers } = parts;
  const { upstream, delivery, reconciler, templates, shownHolds, uploads } = services;
  const { pools } = front;
  await app.register(messages, {
    config,
    delivery,
    sendCalls: upstream.sendCalls,
    templates,
    resolveContext,
  });
  await app.register(messageRecords, {
    config,
    delivery,
    reconciler,
    templates,
    holds: shownHolds,
    stopCheck,
    listedCheck,
  });
  await app.register(broadcastRoutes, {
    config,
    store: services.store,
    broadcasts: services.broadcasts,
    templates,
    resolveContext,
    holds: shownHolds,
    stopCheck,
    listedCheck,
    uploads,
    numbers,
    eventStreams: pools.eventStreams,
    reports: pools.reports,
    mayListen: mayReadMessages(overrides),
  });
  await app.register(files, {
    config,
    delivery,
    sendCalls: upstream.sendCalls,
    streams: upstream.streams,
    templates,
    uploads,
    numbers,
    resolveContext,
  });
  await app.register(templateRoutes, { templates, resolveContext });
  await app.register(contacts, { contacts: upstream.contacts, resolveContext });
  await app.register(conversations, {
    conversations: upstream.conversations,
    store: services.store,
    now: overrides.now ?? Date.now,
    routingMs: services.recording.factOptions.routingMs,
    resolveContext,
  });
  const streaming = {
    streams: upstream.streams,
    diagnosis: upstream.diagnosis,
    downloads: pools.downloads,
    resolveContext,
  };
  await app.register(media, streaming);
  await app.register(connections, { config, connections: upstream.connections });
  await app.register(passthrough, {
    allowed: config.NATIVE_PATHS,
    defaultCountries: config.DEFAULT_COUNTRIES,
    ...streaming,
  });
}

const mayReadMessages =
  ({ callers }: ServiceOverrides) =>
  (id: string): boolean => {
    const caller = callers.byId(id);
    return caller !== undefined && hasScope(caller, 'messages:read');
  };

/** What callers hear of later. */
async function registerEventRoutes(parts: AppParts, { isListed }: Checks) {
  const { app, config, overrides, front, services } = parts;
  const { pools } = front;
  await app.register(events, {
    ...services.events,
    callers: overrides.callers,
    isListed,
    eventReaders: pools.eventReaders,
    eventWaits: pools.eventWaits,
    eventPages: pools.eventPages,
    onFault: (error) => services.onTaskError('event-stream', error),
  });
  await app.register(webhookEndpoints, {
    store: services.store,
    cursors: services.events.cursors,
    webhooks: services.webhooks,
    endpointsMax: config.WEBHOOK_ENDPOINTS_MAX,
    retentionMs: config.EVENT_RETENTION_DAYS * 24 * 3_600_000,
    tests: pools.webhookTests,
    now: overrides.now ?? Date.now,
    onChange: () => services.dispatcher.wake(),
  });
}
