import { connect, type Socket } from 'node:net';
import { Agent, request } from 'undici';
import { afterEach } from 'vitest';
import { type Simulator, type SimulatorOptions, startSimulator } from '../../src/simulator/simulator.ts';

export interface Answer {
  readonly status: number;
  readonly headers: Record<string, string | string[] | undefined>;
  readonly text: string;
  /** The body as JSON; fails the test where it is none. */
  json(): unknown;
}

export interface CallOptions {
  readonly method?: 'GET' | 'POST' | 'DELETE';
  readonly query?: Record<string, string>;
  readonly json?: unknown;
  readonly body?: Buffer | string;
  readonly headers?: Record<string, string>;
}

const open: Array<() => Promise<void>> = [];

afterEach(async () => {
  for (const close of open.splice(0)) await close();
});

/** A simulator without a rate limit, closed after the test, and a client that sends what a good one would. */
export async function started(options: SimulatorOptions = {}) {
  const simulator = await startSimulator({ perSecond: Number.POSITIVE_INFINITY, ...options });
  const agent = new Agent({ pipelining: 0 });
  open.push(async () => {
    await agent.destroy();
    await simulator.close();
  });
  const send = async (base: string, path: string, options: CallOptions): Promise<Answer> => {
    const url = new URL(path, base);
    for (const [name, value] of Object.entries(options.query ?? {})) url.searchParams.set(name, value);
    const json = options.json === undefined ? undefined : JSON.stringify(options.json);
    const response = await request(url, {
      method: options.method ?? 'GET',
      dispatcher: agent,
      headers: {
        authorization: `Bearer ${simulator.key}`,
        'user-agent': 'wati-bff/0.1.0',
        accept: 'application/json',
        ...(json === undefined ? {} : { 'content-type': 'application/json' }),
        ...options.headers,
      },
      body: json ?? options.body ?? null,
    });
    const text = await response.body.text();
    return { status: response.statusCode, headers: response.headers, text, json: (): unknown => JSON.parse(text) };
  };
  return {
    simulator,
    gateway: (path: string, options: CallOptions = {}) => send(simulator.gatewayUrl, `/wati${path}`, options),
    control: (path: string, options: CallOptions = {}) => send(simulator.controlUrl, path, options),
    text: (to: string, query: Record<string, string> = {}) =>
      send(simulator.gatewayUrl, `/wati/api/v1/sendSessionMessage/${to}`, {
        method: 'POST',
        query: { messageText: 'Hello', ...query },
      }),
    template: (...receivers: readonly unknown[]) =>
      send(simulator.gatewayUrl, '/wati/api/v2/sendTemplateMessages', {
        method: 'POST',
        json: { template_name: 'otp_code', broadcast_name: 'test', receivers },
      }),
  };
}

export function otp(whatsappNumber: string, more: Record<string, unknown> = {}) {
  return { whatsappNumber, customParams: [{ name: '1', value: '1234' }], ...more };
}

/** The code of the error that a call ends with. */
export async function codeOf(call: Promise<unknown>): Promise<string> {
  try {
    await call;
    return 'answered';
  } catch (error) {
    return error instanceof Error && 'code' in error ? String(error.code) : String(error);
  }
}

/** A socket to the gateway with the head of a request on it, for what no HTTP client would do. */
export function rawSocket(simulator: Simulator, head: readonly string[]): Socket {
  const { hostname, port } = new URL(simulator.gatewayUrl);
  const socket = connect(Number(port), hostname);
  const lines = [...head, 'Host: simulator', `Authorization: Bearer ${simulator.key}`, 'User-Agent: wati-bff/0.1.0'];
  socket.write(`${lines.join('\r\n')}\r\n\r\n`);
  return socket;
}
