import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { request } from 'undici';
import { expect, test } from 'vitest';
import { startSimulator } from '../../src/simulator/simulator.ts';
import { aPlace, callerKey } from './service.ts';

const sends = 100;

/** Returns the meaning of a traced line as one letter; '' for none. Lines are in the order of the kernel. */
function letterOf(line: string, mark: string, gatewayPort: string, servicePort: string): string {
  if (/\bf(data)?sync\(.*= 0$|f(data)?sync resumed>.*= 0$/.test(line)) return 'F';
  if (/pwrite64\(\d+<[^>]*store\.db-wal>/.test(line)) return line.includes(mark) ? 'w' : 'p';
  if (!/\b(write|writev|sendto|sendmsg)\(/.test(line)) return '';
  if (line.includes(`->127.0.0.1:${gatewayPort}]`)) return line.includes(mark) ? 'U' : 'u';
  if (line.includes(`TCP:[127.0.0.1:${servicePort}->`)) return line.includes('HTTP/1.1 201') ? 'A' : 'a';
  return '';
}

/**
 * `w`: the text of the send is written to the log, `p`: something else is, `F`: fsync, `U`: upstream call, `A`: the answer. Two commits,
 * the first with the text of the send, are complete before the first byte to the gateway, and a third before the first byte of the
 * answer: insert, claim, completion. A checkpoint adds fsyncs of its own.
 */
const inOrder = /^[pF]*w[wp]*F+([wp]+F+)+U([wp]+F+)+A$/;

test('fsync, then upstream, then answer: 100 of 100 in a trace', async () => {
  const simulator = await startSimulator({ perSecond: Number.POSITIVE_INFINITY });
  const place = aPlace(simulator);
  try {
    const trace = join(place.folder, 'trace');
    const calls = 'trace=fsync,fdatasync,pwrite64,write,writev,sendto,sendmsg';
    const service = await place.start({ under: ['strace', '-f', '-yy', '-s', '65536', '-o', trace, '-e', calls] });
    simulator.tenant.receive('14155551000', 'Hello', Date.now());
    const mark = (n: number) => `mark-${String(n).padStart(3, '0')}-`;
    for (let n = 0; n < sends; n += 1) {
      const answer = await request(`${service.url}/v1/messages/text`, {
        method: 'POST',
        headers: { authorization: `Bearer ${callerKey}`, 'content-type': 'application/json' },
        body: JSON.stringify({ to: '14155551000', text: mark(n) }),
      });
      await answer.body.dump();
      expect(answer.statusCode).toBe(201);
    }
    await sleep(200);
    await service.kill();

    const lines = readFileSync(trace, 'latin1').split('\n');
    const [gatewayPort, servicePort] = [new URL(simulator.gatewayUrl).port, new URL(service.url).port];
    const seen: string[] = [];
    let letters = '';
    for (const line of lines) {
      const letter = letterOf(line, mark(seen.length), gatewayPort, servicePort);
      // Lines before the text of the first send belong to the start of the service.
      if (letters === '' && letter !== 'w') continue;
      letters += letter;
      if (letter !== 'A') continue;
      seen.push(letters);
      letters = '';
    }
    console.log(
      `order: ${seen.filter((each) => inOrder.test(each)).length} of ${seen.length} in order, e.g. ${seen[0]}`,
    );
    expect(seen).toHaveLength(sends);
    expect(seen.filter((each) => !inOrder.test(each))).toEqual([]);
  } finally {
    await place.close();
    await simulator.close();
  }
});
