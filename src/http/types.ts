import type { KeyHolder, Scope } from '../callers.ts';
import type { Release } from '../pools/shared-pool.ts';
import type { ProblemSlug } from '../problem-types.ts';
import type { RequestSpan } from '../tracing/types.ts';
import type { ProblemBase } from './problem-base.ts';

/** Facts about a request, for its one log line and its metrics. */
export interface RequestLog {
  /** `accepted`, `rejected`, …: of a send. Other writes are `done`, `refused` or `failed` by their status. */
  outcome?: string;
  /** The other end of the connection: a load balancer, where one is in front. */
  remoteAddress: string | undefined;
  messageId?: string;
  broadcastId?: string;
  /** The WATI connection, as Maton names it. */
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

/** The deadline of all upstream calls of a request together. */
export interface RequestDeadline {
  /** `performance.now()`. */
  deadline: number;
  /** It was shortened by the caller: the calls are not shared, so that no other request is bound to it. */
  isExclusive?: true;
}

declare module 'fastify' {
  interface FastifyInstance {
    /** Prefix of `/problems/...` in the type of a problem. */
    problemBase: ProblemBase;
  }

  interface FastifyRequest {
    caller: KeyHolder | undefined;
    /** Gives back its place among the requests under way; set where a caller is known. */
    leave: Release | undefined;
    /** Takes one more off its caller's `ratePerSecond`; absent where there is none. */
    charge: (() => void) | undefined;
    /** Set when it is first asked for. */
    deadline: RequestDeadline | undefined;
    requestLog: RequestLog;
    /** What `trace` reads; absent until then. */
    requestLogStore: RequestLog | undefined;
  }

  /** Facts about a route, read by the plugins: what is true of an operation is said once, beside it. */
  interface FastifyContextConfig {
    /** Asked by load balancers and orchestrators: needs no key, and is not counted against an address. */
    isProbe?: boolean;
    /** The scope a key needs; a route without one needs no key. */
    scope?: Scope;
    /** The problems of this operation beside those that every operation can answer. */
    problems?: ProblemSlug[];
    /** Answers that are not JSON: their content type, for the OpenAPI document. */
    produces?: string;
    /** How long a client may cache the response to a GET: by default not at all; with `aged` the handler sets the header. */
    cacheControl?: 'private' | 'aged';
    /** The route takes `Maton-Connection`. */
    connection?: boolean;
    /** The route can put a message before a person. */
    sendsMessage?: boolean;
    /** It is not known to, but may: it is stopped with all sending. */
    maySendMessage?: boolean;
    /** The log line of each of its requests is marked `audit`, as those of all with `sendsMessage` are. */
    audit?: boolean;
    /** What `Prefer: wait` shortens: the wait for a send's outcome, or for upstream calls (the default where `connection` is set); `events`: it asks for a wait. */
    preferWait?: 'outcome' | 'calls' | 'events';
    /** The query is passed through unchecked. An object is its example in the OpenAPI document. */
    passthroughQuery?: boolean | Readonly<Record<string, string>>;
    /** The handler reads the body as it comes; Fastify does not. */
    streams?: boolean;
    /** The file part of the streamed form, for the OpenAPI document. */
    form?: { field: string; description: string };
  }
}
