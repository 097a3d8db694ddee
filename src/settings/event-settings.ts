import { Type } from '../lib/type.ts';

/** Settings of events for callers. */
export const eventSettings = {
  EVENT_RETENTION_DAYS: Type.Integer({
    description: 'how long the events of callers are kept, and can be read or sent again; 1 to 90',
    default: 7,
    minimum: 1,
    maximum: 90,
  }),
  REPLY_ROUTING_HOURS: Type.Integer({
    description: "how long after its message a caller still gets that person's answers; 1 to 8760",
    default: 168,
    minimum: 1,
    maximum: 8_760,
  }),
};
