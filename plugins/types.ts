import type { KeyHolder, Scope } from '../src/callers.ts';
import type { Release } from '../src/pools/shared-pool.ts';
import type { ProblemSlug } from '../src/problem-types.ts';
import type { RequestSpan } from '../src/tracing/types.ts';
import type { ProblemBase } from './problem-base.ts';

/** What a request became, for its one log line and its metrics. */
export interface Trace {
  /** `accepted`, `rejected`, …: of a send. Other writes are `done`, `refused` or `failed` by their status. */
  outcome?: string;
  /** The other end of the connection: a load balancer, where one is in front. */
  remoteAddress: string | undefined;
  messageId?: string;
  broadcastId?: string;
  /** Of WATI, as Maton knows it. */
  connection?: string;
  /** The recipient, masked to its last four digits. */
  to?: string;
  upstreamStatus?: number;
  upstreamMs: number;
  upstreamCalls: number;
  /** The answer is of a call that was made for another request. */
  upstreamShared?: boolean;
  problem?: string;
  error?: Error;
  /** Where tracing is on. */
  span?: RequestSpan;
}

declare module 'fastify' {
  interface FastifyInstance {
    problemBase: ProblemBase;
  }

  interface FastifyRequest {
    caller: KeyHolder | undefined;
    /** Gives back its place among the requests under way; set where a caller is known. */
    leave: Release | undefined;
    /** Takes one more off its caller's `ratePerSecond`; absent where there is none. */
    charge: (() => void) | undefined;
    trace: Trace;
    /** What `trace` reads; absent until then. */
    ownTrace: Trace | undefined;
  }

  /** Facts about a route, read by the plugins: what is true of an operation is said once, beside it. */
  interface FastifyContextConfig {
    /** Asked by load balancers and orchestrators: needs no key, and is not counted against an address. */
    probe?: boolean;
    /** The scope a key needs; a route without one needs no key. */
    scope?: Scope;
    /** The problems of this operation beside those that every operation can answer. */
    problems?: ProblemSlug[];
    /** Answers that are not JSON: their content type, for the OpenAPI document. */
    produces?: string;
    /** How long a client may keep the answer to a GET: by default not at all, `aged` is told by the handler. */
    keeps?: 'private' | 'aged';
    /** The route takes `Maton-Connection`. */
    connection?: boolean;
    /** The route can put a message before a person. */
    sends?: boolean;
    /** It is not known to, but may: it is stopped with all sending. */
    maySend?: boolean;
    /** The log line of each of its requests is marked `audit`, as those of all that `sends` are. */
    audit?: boolean;
    /** What `Prefer` shortens: the wait for a send's outcome, or for calls upstream, as wherever there is `connection`. */
    waits?: 'outcome' | 'calls';
    /** The query goes upstream as it is. An object is its example in the OpenAPI document. */
    anyQuery?: boolean | Readonly<Record<string, string>>;
    /** The handler reads the body as it comes; Fastify does not. */
    streams?: boolean;
    /** What the streamed form holds: the name of its file part, for the OpenAPI document. */
    form?: { field: string; description: string };
  }
}
