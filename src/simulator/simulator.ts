import { randomBytes } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { type Agenda, createAgenda } from './agenda.ts';
import { type Clock, createClock } from './clock.ts';
import type { Scripted } from './faults.ts';
import { createIds, type Ids } from './ids.ts';
import { createLedger, type Ledger } from './ledger.ts';
import { type Plan, planWindows, slidingWindow } from './limits.ts';
import { createMagic } from './magic.ts';
import type { Operation } from './operations.ts';
import { sandboxRoute } from './sandbox.ts';
import type { Steering } from './sandbox-route.ts';
import { createSendFaults } from './send-faults.ts';
import { type Rule, serve, type World } from './serve.ts';
import { type Listener, listen } from './server.ts';
import type { Tenant } from './state.ts';
import { createTenant } from './tenant.ts';
import { Tracking } from './tracking.ts';
import { endpointsOf } from './webhook-endpoints.ts';
import { Webhooks, type WebhooksOptions } from './webhooks.ts';

export interface SimulatorOptions {
  readonly host?: string;
  /** Host of the gateway; `host` by default. */
  readonly gatewayHost?: string | undefined;
  readonly gatewayPort?: number;
  readonly controlPort?: number;
  /** The Maton key that it accepts; random by default. */
  readonly key?: string;
  /** Requests in any 1,000 ms over gateway and control; Infinity for no limit. */
  readonly perSecond?: number;
  /** WATI's own limits; none by default. */
  readonly plan?: Plan;
  /** Seed of its ids; random by default. */
  readonly seed?: string | undefined;
  /** Delay of a late answer. */
  readonly lateMs?: number;
  /** Wall clock; the rate limit uses the monotonic clock. */
  readonly now?: () => number;
  /** Target of its webhooks, and their faults. */
  readonly webhooks?: WebhooksOptions;
  /** Further effects of a reset or an advance that is requested over HTTP, and the key that is returned there. */
  readonly steering?: Partial<Pick<Steering, 'reset' | 'advance' | 'key'>>;
}

/** Maton's gateway, its control API and one WATI tenant, as HTTP servers on loopback. */
export interface Simulator {
  readonly gatewayUrl: string;
  readonly controlUrl: string;
  readonly key: string;
  readonly ledger: Ledger;
  /** All violations of documented forms by requests so far, in words. */
  readonly violations: readonly string[];
  readonly tenant: Tenant;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly webhooks: Webhooks;
  /** Moves its time forward. Due events happen in order, and due webhooks are posted and answered. */
  advance(ms: number): Promise<void>;
  /** The next requests of that operation that pass the gateway get these answers, one each, in order. */
  script(operation: Operation, ...answers: Scripted[]): void;
  /** A rule that is asked about every request that passes the gateway; without a rule none is. */
  rule(rule?: Rule): void;
  /** Refuses connections to the gateway from now on, and destroys existing ones. */
  stopGateway(): Promise<void>;
  startGateway(): Promise<void>;
  /** Resets everything, ids included; without a seed, with the first one. */
  reset(seed?: string): void;
  /** Serves `/_sandbox` for the owner of a listener; returns whether the request was for it. */
  serveSandbox(request: IncomingMessage, response: ServerResponse): boolean;
  close(): Promise<void>;
}

/** A moved clock stops this often on the way, and waits this long in all for webhooks to be answered. */
const hopsMax = 500;
const settleTimeoutMs = 10_000;

/** In the order in which events are due. Ends if a reset has set the clock back. */
async function advanceInHops({ clock, agenda, webhooks }: Timed, ms: number, goesOn: () => boolean): Promise<void> {
  const deadline = performance.now() + settleTimeoutMs;
  const settled = () => webhooks.settled(Math.max(0, deadline - performance.now()));
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

/** Everything that a request changes or reads, and its clock. */
function createState(options: SimulatorOptions) {
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
    key: options.key ?? `sim-${randomBytes(16).toString('hex')}`,
    tenant,
    agenda,
    tracking,
    ledger: createLedger(),
    account: slidingWindow(options.perSecond ?? 10, 1_000),
    plans: planWindows(),
    violations: [],
    scripts: new Map(),
    magic: createMagic(),
    sendFaults: createSendFaults(),
    lateMs: options.lateMs ?? 30_000,
    now: clock.now,
    rule: undefined,
  };
  return { world, clock, agenda, webhooks, ids, tracking };
}

function restart({ world, clock, agenda, webhooks, ids, tracking }: State, seed: string | undefined): void {
  agenda.clear();
  webhooks.reset(seed);
  tracking.clear();
  clock.reset();
  ids.restart(seed);
  world.tenant.reset();
  world.ledger.clear();
  world.violations.length = 0;
  world.scripts.clear();
  world.rule = undefined;
  world.magic.clear();
  world.sendFaults.set([]);
  world.account.clear();
  world.plans.clear();
}

type State = ReturnType<typeof createState>;
type SandboxRoute = Simulator['serveSandbox'];

/** Maton's two hosts. The gateway can be stopped, and started again on the same port. */
async function listenHosts(world: World, options: SimulatorOptions, serveSandbox: SandboxRoute) {
  const { host = '127.0.0.1' } = options;
  const listenGateway = (port: number): Promise<Listener> =>
    listen(options.gatewayHost ?? host, port, async (raw, response, signal) => {
      if (serveSandbox(raw, response)) return;
      await serve(world, 'gateway', { raw, response, signal });
    });
  const control = await listen(host, options.controlPort ?? 0, (raw, response, signal) =>
    serve(world, 'control', { raw, response, signal }),
  );
  const first = await listenGateway(options.gatewayPort ?? 0);
  let gateway: Listener | undefined = first;
  const stopGateway = async () => {
    const running = gateway;
    gateway = undefined;
    await running?.stop();
  };
  return {
    gatewayUrl: first.url,
    controlUrl: control.url,
    stopGateway,
    startGateway: async () => {
      gateway ??= await listenGateway(first.port);
    },
    stop: async () => {
      await Promise.all([stopGateway(), control.stop()]);
    },
  };
}

export async function startSimulator(options: SimulatorOptions = {}): Promise<Simulator> {
  const state = createState(options);
  const { world, clock, agenda, webhooks, ids, tracking } = state;
  const { ledger, tenant, sendFaults } = world;
  let resets = 0;

  function reset(seed = options.seed): void {
    resets += 1;
    restart(state, seed);
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
    sendFaults,
    key: undefined,
    reset: async (seed) => reset(seed),
    advance,
    ...options.steering,
  };
  const serveSandbox: SandboxRoute = (request, response) => sandboxRoute(request, response, steering);
  const { stop, ...hosts } = await listenHosts(world, options, serveSandbox);

  return {
    ...hosts,
    key: world.key,
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
    reset,
    serveSandbox,
    async close() {
      agenda.clear();
      webhooks.reset();
      await stop();
    },
  };
}
