import type { Operation } from './operations.ts';

export type Query = Readonly<Record<string, string | string[]>>;

/** A part of a multipart body exactly as it was received. */
export interface Part {
  readonly name: string;
  readonly filename?: string;
  readonly contentType?: string;
  /** The header lines of the part, verbatim. */
  readonly headers: readonly string[];
  readonly bytes: number;
  readonly sha256: string;
}

/** A request that passed the gateway and the schemas, in the form that the nouns get. */
export interface Call {
  readonly operation: Operation;
  readonly params: Readonly<Record<string, string>>;
  readonly query: Query;
  readonly json: unknown;
  readonly form: Readonly<Record<string, string>> | undefined;
  readonly parts: readonly Part[];
  /** The content of the file in the request, unless it is long. */
  readonly kept: Buffer | undefined;
  /** A scripted success: the tenant acts even if it would refuse, so that answer and record agree. */
  readonly forced: boolean;
  readonly now: number;
}

export interface Answer {
  readonly status: number;
  /** An object is sent as JSON, a string and a Buffer as they are, undefined as an empty body. */
  readonly body?: unknown;
  readonly contentType?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Whether the tenant did what was requested; false for a refusal with status 200. */
  readonly acted: boolean;
}

export function ok(body: unknown): Answer {
  return { status: 200, body, acted: true };
}

/** WATI refuses with 200 and `result:false`. */
export function refusal(body: Readonly<Record<string, unknown>>): Answer {
  return { status: 200, body: { result: false, ...body }, acted: false };
}

/** Model validation of the ASP.NET server behind v1. */
export function badRequest(descriptions: readonly string[]): Answer {
  const items = descriptions.map((description) => ({ code: 'ValidationError', description }));
  return { status: 400, body: { items }, acted: false };
}

export function noContact(): Answer {
  return refusal({ info: "Can't find Contact" });
}

/** The first value of a query parameter; undefined if it is absent. */
export function one(query: Query, name: string): string | undefined {
  const value = query[name];
  return Array.isArray(value) ? value[0] : value;
}
