import { Type } from 'typebox';
import { Compile } from 'typebox/compile';
import type { SandboxRoute } from './sandbox-route.ts';
import { exact } from './schemas/common.ts';
import { type SendFault, sendFaults } from './send-faults.ts';

const names = Object.keys(sendFaults);
const isFault = (name: string): name is SendFault => names.includes(name);

const NextSends = exact({
  fault: Type.String(),
  times: Type.Optional(Type.Integer({ minimum: 1, maximum: 100 })),
});
const nextSends = Compile(NextSends);

export const faultRoutes: readonly SandboxRoute[] = [
  {
    route: 'GET /_sandbox/next-sends',
    does: 'the faults that wait for the next calls that send, in order',
    run: (_given, { sendFaults: faults }) => ({ waiting: faults.waiting }),
  },
  {
    route: 'POST /_sandbox/next-sends',
    does: 'what befalls the next calls that send, whatever the recipient; replaces what waits, and "none" takes it away',
    body: { fault: { ...sendFaults, none: 'nothing' }, times: 'optional: how many calls, 1 to 100' },
    run: ({ json }, { sendFaults: faults }) => {
      if (!nextSends.Check(json)) return form;
      const { fault, times = 1 } = json;
      if (isFault(fault)) faults.set(Array.from({ length: times }, () => fault));
      else if (fault === 'none') faults.set([]);
      else return form;
      return { waiting: faults.waiting };
    },
  },
];

const form = `The body is {"fault": ${[...names, 'none'].map((name) => `"${name}"`).join(' | ')}}, and if you like "times" (1 to 100)`;
