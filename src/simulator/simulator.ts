import { randomBytes } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { checker } from './check.ts';
import { type Clock, createClock } from './clock.ts';
import type { Scripted } from './faults.ts';
import { createIds, type Ids } from './ids.ts';
import { createLedger, type Ledger } from './ledger.ts';
import { type Plan, planWindows, slidingWindow } from './limits.ts';
import { createMagic } from './magic.ts';
import type { Operation } from './operations.ts';
import { type Steering, sandboxRoute } from './sandbox.ts';
import { type Rule, serve, type World } from './serve.ts';
import { type Listener, listen } from './server.ts';
import type { Tenant } from './state.ts';
import { createTenant } from './tenant.ts';

export interface SimulatorOptions {
  readonly host?: string;
  /** Where the gateway listens, if not on `host`. */
  readonly gatewayHost?: string | undefined;
  readonly gatewayPort?: number;
  readonly controlPort?: number;
  /** The Maton key that it accepts; by default a random one. */
  readonly key?: string;
  /** Requests in any 1,000 ms over gateway and control; Infinity for no limit. */
  readonly perSecond?: number;
  /** WATI's own limits; none by default. */
  readonly plan?: Plan;
  /** What its ids are made from; by default they are random. */
  readonly seed?: string | undefined;
  /** How late a late answer is. */
  readonly deadlineMs?: number;
  /** Wall clock; the rate limit runs on the monotonic one. */
  readonly now?: () => number;
  /** What a reset and a moved clock that are asked for over HTTP do beside what the simulator does itself. */
  readonly steering?: Partial<Pick<Steering, 'reset' | 'advance'>>;
}

/** Maton's gateway, its control API and one WATI tenant, as HTTP servers on loopback. */
export interface Simulator {
  readonly gatewayUrl: string;
  readonly controlUrl: string;
  readonly key: string;
  readonly ledger: Ledger;
  /** Every way in which a request broke the documented form of its operation, in words. */
  readonly violations: readonly string[];
  readonly tenant: Tenant;
  readonly clock: Clock;
  readonly ids: Ids;
  /** The next requests of that operation which pass the gateway get these, one each, in order. */
  script(operation: Operation, ...answers: Scripted[]): void;
  /** From now on every request that passes the gateway is asked about; without a rule none is. */
  rule(rule?: Rule): void;
  /** From now on connections to the gateway are refused; those that exist are destroyed. */
  stopGateway(): Promise<void>;
  startGateway(): Promise<void>;
  /** Everything as at the start, the ids as well; without a seed, with the one of the start. */
  reset(seed?: string): void;
  /** Serves `/_sandbox` wherever its owner listens; answers whether the request was for it. */
  serveSandbox(request: IncomingMessage, response: ServerResponse): boolean;
  close(): Promise<void>;
}

export async function startSimulator(options: SimulatorOptions = {}): Promise<Simulator> {
  const { host = '127.0.0.1', perSecond = 10, deadlineMs = 30_000 } = options;
  const key = options.key ?? `sim-${randomBytes(16).toString('hex')}`;
  const ledger = createLedger();
  const account = slidingWindow(perSecond, 1_000);
  const plans = planWindows();
  const clock = createClock(options.now ?? (() => Date.now()));
  const ids = createIds();
  ids.restart(options.seed);
  const world: World = {
    key,
    tenant: createTenant(clock.now, ids, { plan: options.plan ?? 'none' }),
    ledger,
    account,
    plans,
    violations: [],
    scripts: new Map(),
    magic: createMagic(),
    check: checker(),
    deadlineMs,
    now: clock.now,
    rule: undefined,
  };

  function reset(seed = options.seed): void {
    clock.reset();
    ids.restart(seed);
    world.tenant.reset();
    ledger.clear();
    world.violations.length = 0;
    world.scripts.clear();
    world.rule = undefined;
    world.magic.clear();
    account.clear();
    plans.clear();
  }

  const steering: Steering = {
    ledger,
    tenant: world.tenant,
    clock,
    reset: async (seed) => reset(seed),
    advance: async (ms) => clock.advance(ms),
    ...options.steering,
  };
  const serveSandbox: Simulator['serveSandbox'] = (request, response) => sandboxRoute(request, response, steering);

  function listenGateway(port: number): Promise<Listener> {
    return listen(options.gatewayHost ?? host, port, async (request, response, signal) => {
      if (serveSandbox(request, response)) return;
      await serve(world, 'gateway', request, response, signal);
    });
  }

  const control = await listen(host, options.controlPort ?? 0, (request, response, signal) =>
    serve(world, 'control', request, response, signal),
  );
  const first = await listenGateway(options.gatewayPort ?? 0);
  let gateway: Listener | undefined = first;

  async function stopGateway(): Promise<void> {
    const running = gateway;
    gateway = undefined;
    await running?.stop();
  }

  return {
    gatewayUrl: first.url,
    controlUrl: control.url,
    key,
    ledger,
    violations: world.violations,
    tenant: world.tenant,
    clock,
    ids,
    script(operation, ...answers) {
      world.scripts.set(operation, [...(world.scripts.get(operation) ?? []), ...answers]);
    },
    rule(rule) {
      world.rule = rule;
    },
    stopGateway,
    async startGateway() {
      gateway ??= await listenGateway(first.port);
    },
    reset,
    serveSandbox,
    async close() {
      await Promise.all([stopGateway(), control.stop()]);
    },
  };
}
