import { createHash, randomBytes } from 'node:crypto';
import { type Static, Type } from 'typebox';
import { Compile } from 'typebox/compile';
import { exact } from './schemas/common.ts';

const daySeconds = 24 * 3_600;

const optional = {
  enabled: Type.Optional(Type.Boolean()),
  twins: Type.Optional(Type.Union([Type.Boolean(), Type.Literal('plain')])),
  bsuid: Type.Optional(Type.Boolean()),
  duplicates: Type.Optional(Type.Integer({ minimum: 0, maximum: 5 })),
  disorderMs: Type.Optional(Type.Integer({ minimum: 0, maximum: daySeconds * 1_000 })),
  lateMs: Type.Optional(Type.Integer({ minimum: 0, maximum: 7 * daySeconds * 1_000 })),
  lossRatio: Type.Optional(Type.Number({ minimum: 0, maximum: 1 })),
  retrySeconds: Type.Optional(Type.Number({ minimum: 0.1, maximum: daySeconds })),
  seed: Type.Optional(Type.Union([Type.Integer(), Type.String({ minLength: 1, maxLength: 200 })])),
  url: Type.Optional(Type.String({ minLength: 1, maxLength: 2_048 })),
};
const Change = exact(optional);
export type WebhookChange = Static<typeof Change>;
export const webhookChange = Compile(Change);

export interface WebhookSettings {
  readonly enabled: boolean;
  /** The events that are ticked at WATI: `_v2` alone, those and their plain twins, or the plain ones alone. */
  readonly twins: boolean | 'plain';
  /** The `_bsuid` twins as well. */
  readonly bsuid: boolean;
  /** How often each webhook is repeated although it was answered. */
  readonly duplicates: number;
  /** Each webhook is late by a random time up to this. */
  readonly disorderMs: number;
  readonly lateMs: number;
  /** The share of webhooks that is never posted. */
  readonly lossRatio: number;
  readonly retrySeconds: number;
  /** Seed of loss and disorder. */
  readonly seed: string;
}

/** WATI repeats every ten minutes. A seed that was not given is shown, so that a run can be repeated. */
export function firstSettings(given: Partial<WebhookSettings> = {}): WebhookSettings {
  return {
    enabled: true,
    twins: false,
    bsuid: false,
    duplicates: 0,
    disorderMs: 0,
    lateMs: 0,
    lossRatio: 0,
    retrySeconds: 600,
    seed: randomBytes(4).toString('hex'),
    ...given,
  };
}

/** Descriptions of the members, for the list of routes. */
export const webhookForm = {
  enabled: true,
  twins: 'false: _v2 events alone, true: their plain twins first, "plain": those alone',
  bsuid: 'true: the _bsuid twins as well',
  duplicates: 'how often each is posted again, 0 to 5',
  disorderMs: 'each is late by a random time up to this',
  lateMs: 'all are late by this',
  lossRatio: 'the share that is never posted, 0 to 1',
  retrySeconds: 'after which an answer other than 200 is tried again, 144 times; 600 in WATI',
  seed: 'of loss and disorder: the same sends in the same order meet the same',
  url: 'another path at the intake that is configured, to try a wrong token',
} as const;

/** From 0 to below 1. Always the same for the same seed and name, whatever was drawn before. */
export function draw(seed: string, name: string): number {
  return (
    createHash('sha256')
      .update(JSON.stringify([seed, name]))
      .digest()
      .readUInt32BE(0) /
    2 ** 32
  );
}

/** The target is restricted, so that a client of the sandbox cannot make it post anywhere. */
export function faultOfUrl(url: string, configured: string | undefined): string | undefined {
  if (configured === undefined) return 'No intake is configured, so there is nowhere to post to';
  const { origin } = new URL(configured);
  return URL.canParse(url) && new URL(url).origin === origin && !/[@#]/.test(url)
    ? undefined
    : `url must be at the intake that is configured, ${origin}`;
}
