import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { broadcastControl } from './broadcast-control.ts';
import { broadcastEvents, type EventServices } from './broadcast-events.ts';
import { broadcastImport, type ImportServices } from './broadcast-import.ts';
import { broadcastReport, type ReportServices } from './broadcast-report.ts';
import { broadcastResend, type ResendServices } from './broadcast-resend.ts';
import { broadcasts } from './broadcasts.ts';

/** Everything under /v1/broadcasts but the CSV that WATI reads itself (routes/files.ts). */
export const broadcastRoutes: FastifyPluginAsyncTypebox<
  EventServices & ImportServices & ReportServices & ResendServices
> = async (app, services) => {
  await app.register(broadcasts, services);
  await app.register(broadcastControl, services);
  await app.register(broadcastResend, services);
  await app.register(broadcastEvents, services);
  await app.register(broadcastReport, services);
  await app.register(broadcastImport, services);
};
