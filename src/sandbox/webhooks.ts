import type { Simulator } from '../simulator/simulator.ts';

/** An address that webhooks can go to, as the simulator takes it. Throws with what is wrong with it, in words. */
export function webhooksUrlOf(text: string): string {
  const url = URL.parse(text);
  const isHttp = url !== null && /^https?:$/.test(url.protocol);
  if (isHttp && url.username === '' && url.password === '' && url.hash === '') return url.href;
  throw new Error(`Webhooks go to an http or https address without a user, and ${JSON.stringify(text)} is none`);
}

/**
 * The one place that says where the simulated WATI posts to: the intake of the sandbox's own service, or the one that its
 * owner named. Called for each new life of the service, whose intake may have another port.
 */
export function pointWebhooks({ webhooks }: Pick<Simulator, 'webhooks'>, url: string | undefined): void {
  webhooks.pointTo(url);
}
