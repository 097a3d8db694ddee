import { randomBytes } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { type Agenda, createAgenda } from './agenda.ts';
import { checker } from './check.ts';
import { type Clock, createClock } from './clock.ts';
import type { Scripted } from './faults.ts';
import { createIds, type Ids } from './ids.ts';
import { createLedger, type Ledger } from './ledger.ts';
import { type Plan, planWindows, slidingWindow } from './limits.ts';
import { createMagic } from './magic.ts';
import type { Operation } from './operations.ts';
import { sandboxRoute } from './sandbox.ts';
import type { Steering } from './sandbox-route.ts';
import { type Rule, serve, type World } from './serve.ts';
import { type Listener, listen } from './server.ts';
import type { Tenant } from './state.ts';
import { createTenant } from './tenant.ts';
import { Tracking } from './tracking.ts';
import { endpointsOf } from './webhook-endpoints.ts';
import { Webhooks, type WebhooksOptions } from './webhooks.ts';

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
  /** Where its webhooks go, and what befalls them. */
  readonly webhooks?: WebhooksOptions;
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
  readonly webhooks: Webhooks;
  /** Moves its time forward; what is due on the way happens in order, and webhooks that are due are posted and answered. */
  advance(ms: number): Promise<void>;
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

/** A moved clock stops so often on the way, and waits so long in all for webhooks to be answered. */
const hopsMax = 500;
const patienceMs = 10_000;

/** In the order in which things are due on the way. Ends where a reset has set the clock right. */
async function advanceInHops({ clock, agenda, webhooks }: Timed, ms: number, goesOn: () => boolean): Promise<void> {
  const until = performance.now() + patienceMs;
  const settled = () => webhooks.settled(Math.max(0, until - performance.now()));
  agenda.catchUp();
  await settled();
  for (let left = ms; left > 0 && goesOn(); ) {
    const next = (agenda.next() ?? Number.POSITIVE_INFINITY) - clock.now();
    const hop = Math.min(left, Math.ceil(Math.max(next, ms / hopsMax, 1)));
    left -= hop;
    clock.advance(hop);
    await settled();
  }
}

interface Timed {
  readonly clock: Clock;
  readonly agenda: Agenda;
  readonly webhooks: Webhooks;
}

export async function startSimulator(options: SimulatorOptions = {}): Promise<Simulator> {
  const { host = '127.0.0.1', perSecond = 10, deadlineMs = 30_000 } = options;
  const key = options.key ?? `sim-${randomBytes(16).toString('hex')}`;
  const ledger = createLedger();
  const account = slidingWindow(perSecond, 1_000);
  const plans = planWindows();
  const clock = createClock(options.now ?? (() => Date.now()), () => agenda.catchUp());
  const agenda = createAgenda(clock);
  const webhooks = new Webhooks({ agenda, now: clock.now }, options.webhooks);
  const ids = createIds();
  ids.restart(options.seed);
  webhooks.reset(options.seed);
  const tenant = createTenant(clock.now, ids, { plan: options.plan ?? 'none' });
  const tracking = new Tracking({ agenda, tenant, webhooks });
  tenant.onSent = (message) => tracking.sent(message);
  tenant.webhookEndpoints = () => endpointsOf(webhooks);
  const world: World = {
    key,
    tenant,
    agenda,
    tracking,
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

  let resets = 0;

  function reset(seed = options.seed): void {
    resets += 1;
    agenda.clear();
    webhooks.reset(seed);
    tracking.clear();
    clock.reset();
    ids.restart(seed);
    tenant.reset();
    ledger.clear();
    world.violations.length = 0;
    world.scripts.clear();
    world.rule = undefined;
    world.magic.clear();
    account.clear();
    plans.clear();
  }

  const advance = (ms: number) => {
    const began = resets;
    return advanceInHops({ clock, agenda, webhooks }, ms, () => began === resets);
  };

  const steering: Steering = {
    ledger,
    tenant,
    clock,
    agenda,
    tracking,
    webhooks,
    reset: async (seed) => reset(seed),
    advance,
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
    tenant,
    clock,
    ids,
    webhooks,
    advance,
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
      agenda.clear();
      webhooks.reset();
      await Promise.all([stopGateway(), control.stop()]);
    },
  };
}
