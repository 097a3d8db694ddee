import { Type } from '../lib/type.ts';

/** Settings of polling, which replaces webhooks where none come. */
export const trackingSettings = {
  TRACKING_POLL: Type.Enum(['auto', 'off', 'always'], {
    description:
      'whether histories are read for what became of messages: of connections without a token of webhooks, or whose webhooks have stopped (`auto`), of none, or of all',
    default: 'auto',
  }),
  TRACKING_POLL_PER_DAY: Type.Optional(
    Type.Integer({
      description:
        'such reads of one connection in a day (UTC), all replicas together; without it by WATI_PLAN: 60 `growth`, 600 `pro`, 6000 `business` and `none`; 0: none',
      minimum: 0,
      maximum: 1_000_000,
    }),
  ),
};
