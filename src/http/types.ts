import type { KeyHolder, Scope } from '../callers.ts';
import type { OpenapiDocument } from '../docs/openapi-document.ts';
import type { Release } from '../pools/shared-pool.ts';
import type { ProblemSlug } from '../problem-types.ts';
import type { RequestSpan } from '../tracing/types.ts';
import type { ProblemBase } from './problem-base.ts';

/** Facts about a request, for its one log line and its metrics. */
export interface RequestLog {
  /** For sends `accepted`, `rejected`, …; for other writes `done`, `refused` or `failed`, by status. */
  outcome?: string;
  /** The remote address of the connection: that of the load balancer, if there is one. */
  remoteAddress: string | undefined;
  messageId?: string;
  broadcastId?: string;
  /** The WATI connection, as Maton names it. */
  connection?: string;
  /** The recipient, with all but the last four digits masked. */
  to?: string;
  /** The caller's own name for the message. */
  reference?: string;
  upstreamStatus?: number;
  upstreamMs: number;
  upstreamCalls: number;
  /** The upstream call was made for another request, and this one shared its answer. */
  upstreamShared?: boolean;
  problem?: string;
  error?: Error;
  /** Present if tracing is on. */
  span?: RequestSpan;
}

/** The deadline of all upstream calls of a request together. */
export interface RequestDeadline {
  /** `performance.now()`. */
  deadline: number;
  /** The caller shortened the deadline. Its upstream calls are not shared, so that other requests do not depend on it. */
  isExclusive?: true;
}

declare module 'fastify' {
  interface FastifyInstance {
    /** Prefix of `/problems/...` in the type of a problem. */
    problemBase: ProblemBase;
    /** The description of all routes. */
    openapi: () => Promise<OpenapiDocument>;
  }

  interface FastifyRequest {
    caller: KeyHolder | undefined;
    /** Releases its place among the requests in progress. Set once the caller is known. */
    leave: Release | undefined;
    /** Counts one more request against the caller's `ratePerSecond`; absent if it has no limit. */
    charge: (() => void) | undefined;
    /** Set when it is first asked for. */
    deadline: RequestDeadline | undefined;
    requestLog: RequestLog;
    /** Backs `requestLogOf`: absent until that is first called. */
    requestLogStore: RequestLog | undefined;
  }

  /** Facts about a route, in its `config`. The plugins read them, so that each is stated once, beside the route. */
  interface FastifyContextConfig {
    /** Called by load balancers and orchestrators: needs no key, and does not count against the address. */
    isProbe?: boolean;
    /** The scope that the caller's key needs. A route without a scope needs no key. */
    scope?: Scope;
    /** Problems that this operation answers in addition to those that every operation can. */
    problems?: ProblemSlug[];
    /** Content types of responses that are not JSON, for the OpenAPI document. */
    produces?: string;
    /** How long a client may cache the response to a GET; not at all by default. With `aged`, the handler sets the header. */
    cacheControl?: 'private' | 'aged';
    /** The route takes `Maton-Connection`. */
    connection?: boolean;
    /** The route can send a message to a person. */
    sendsMessage?: boolean;
    /** The route may send a message, which is not known in advance (native calls). It is refused while sending is stopped. */
    maySendMessage?: boolean;
    /** Marks the log line of each of its requests with `audit`. Routes with `sendsMessage` are marked without it. */
    audit?: boolean;
    /**
     * The meaning of `Prefer: wait`. `outcome` and `calls` (the default if `connection` is set): limits the wait for the outcome of a
     * send, or for upstream calls; `recording`: like `outcome`, and `respond-async` shows a broadcast early; `events`: requests a wait.
     */
    preferWait?: 'outcome' | 'calls' | 'recording' | 'events';
    /** The query is passed on unchecked. An object is an example of it for the OpenAPI document. */
    passthroughQuery?: boolean | Readonly<Record<string, string>>;
    /** The handler reads the body as a stream; Fastify does not parse it. */
    streams?: boolean;
    /** Name of the file part of the streamed form, for the OpenAPI document. */
    form?: { field: string; description: string };
  }
}
