import type { Static } from 'typebox';
import { isLoopback } from '../lib/loopback.ts';
import { Type } from '../lib/type.ts';
import { publicUrl } from './public-url.ts';

/** The settings of the listener for webhooks. */
export const intakeSettings = {
  INTAKE_PORT: Type.Optional(
    Type.Integer({
      description: "port of the public listener for WATI's webhooks; without it there is none; 0 takes a free one",
      minimum: 0,
      maximum: 65535,
    }),
  ),
  INTAKE_HOST: Type.String({ description: 'address of that listener', default: '127.0.0.1', minLength: 1 }),
  INTAKE_TOKENS_FILE: Type.Optional(
    Type.String({
      description: 'the JSON list of who may post webhooks, and for which connection; required with the port',
      minLength: 1,
    }),
  ),
  INTAKE_PUBLIC_URL: publicUrl(
    'https://hooks.example.com',
    'how that listener is reached from outside, such as `https://hooks.example.com`: for `npm run intake-token` and `npm run check`',
  ),
  INTAKE_SPOOL: Type.Optional(
    Type.String({
      description:
        "PostgreSQL: `file:<path>` on a volume of the replica's own; webhooks are recorded there first, and move on as the database takes them",
      pattern: '^file:.+$',
      'x-form': '`file:<path>`',
    }),
  ),
  INTAKE_MAX_BYTES: Type.Integer({
    description: 'bytes of one webhook; a longer one is answered 200 and passed over',
    default: 1_048_576,
    minimum: 1_024,
    maximum: 8_388_608,
  }),
  INTAKE_IN_FLIGHT_MAX: Type.Integer({
    description: 'webhooks that may wait to be recorded at once; more are a 503, and come again',
    default: 500,
    minimum: 1,
    maximum: 10_000,
  }),
  INTAKE_WAIT_MS: Type.Integer({
    description: 'how long one is held while the store cannot record, before its 503',
    default: 5_000,
    minimum: 1,
    maximum: 20_000,
  }),
  INTAKE_DEDUPE_DAYS: Type.Integer({
    description: 'how long a webhook is known again; WATI repeats one for a day',
    default: 3,
    minimum: 1,
    maximum: 30,
  }),
};

const IntakeEnv = Type.Object(intakeSettings);

interface Others {
  PORT: number;
  ADMIN_PORT?: number;
  STORE_URL: string;
}

/** Faults that concern several of these settings, or these and others. */
export function intakeFaults(env: Static<typeof IntakeEnv> & Others): string[] {
  const { INTAKE_PORT: port, INTAKE_TOKENS_FILE: tokens, INTAKE_SPOOL: spool, INTAKE_PUBLIC_URL: publicUrl } = env;
  const others = { PORT: env.PORT, ADMIN_PORT: env.ADMIN_PORT };
  const taken = Object.entries(others).find(([, other]) => port !== undefined && port !== 0 && other === port);
  const faults: [boolean, string][] = [
    [taken !== undefined, `INTAKE_PORT is that of ${taken?.[0]}: what is public has a listener of its own`],
    [
      port !== undefined && tokens === undefined,
      'INTAKE_TOKENS_FILE is required with INTAKE_PORT and not set: `npm run intake-token` makes its entries',
    ],
    [port === undefined && tokens !== undefined, 'INTAKE_TOKENS_FILE is set without INTAKE_PORT: nothing would listen'],
    [
      port === undefined && spool !== undefined,
      'INTAKE_SPOOL is set without INTAKE_PORT: what stands in it would not move on',
    ],
    [
      spool !== undefined && !env.STORE_URL.startsWith('postgres'),
      'INTAKE_SPOOL is for a STORE_URL on PostgreSQL: another store is on this disk itself',
    ],
    [
      publicUrl !== undefined && !isFitForTokens(publicUrl),
      'INTAKE_PUBLIC_URL must be https (plain http is taken on loopback only): its path is a secret',
    ],
  ];
  return faults.flatMap(([wrong, what]) => (wrong ? [what] : []));
}

function isFitForTokens(value: string): boolean {
  const url = URL.parse(value);
  return url !== null && (url.protocol === 'https:' || isLoopback(url.hostname));
}
