import { describe, expect, it } from 'vitest';
import { addressRule } from '../../src/webhooks/address-rules.ts';
import { readAllowedHosts } from '../../src/webhooks/allowed-hosts.ts';
import { assertReachable, createDestinations, UrlRefused, type UrlRule } from '../../src/webhooks/destination.ts';
import { isListener } from '../../src/webhooks/own-listeners.ts';

const rules: Record<string, string[]> = {
  unspecified: ['0.0.0.0', '0.1.2.3', '::', '::ffff:0.0.0.0', '64:ff9b::', '2002:0:1::'],
  loopback: [
    '127.0.0.1',
    '127.255.255.254',
    '::1',
    '::ffff:127.0.0.1',
    '::ffff:7f00:1',
    '::127.0.0.1',
    '::ffff:0:127.0.0.1',
    '64:ff9b::127.0.0.1',
    '64:ff9b::7f00:1',
    '2002:7f00:1::',
    '2002:7f00:1:abcd::1',
    '2001:0:7f00:1::',
    '2001:0:a00:1:0:0:80ff:fffe',
    '2a00::5efe:127.0.0.1',
    'fd00::200:5efe:7f00:1',
  ],
  'link-local': [
    '169.254.0.1',
    '169.254.170.2',
    'fe80::1',
    'fe80::1%1',
    'fd00::1%1',
    'fec0::1',
    '::ffff:169.254.0.1',
    '64:ff9b::a9fe:1',
    '2002:a9fe:1::',
  ],
  multicast: ['224.0.0.1', '239.255.255.250', 'ff02::1', '::ffff:224.0.0.1', '64:ff9b::e000:1'],
  metadata: [
    '169.254.169.254',
    '100.100.100.200',
    '168.63.129.16',
    'fd00:ec2::254',
    'fd00:ec2::23',
    'fd20:ce::254',
    '::ffff:169.254.169.254',
    '::ffff:a9fe:a9fe',
    '::169.254.169.254',
    '64:ff9b::169.254.169.254',
    '64:ff9b::6464:64c8',
    '2002:a9fe:a9fe::',
    '2001:0:a9fe:a9fe::',
    'fd00::5efe:a9fe:a9fe',
  ],
  reserved: [
    '255.255.255.255',
    '240.0.0.1',
    '192.0.0.192',
    '192.0.2.1',
    '198.18.0.1',
    '198.51.100.1',
    '203.0.113.9',
    '192.88.99.1',
    '100::1',
    '2001:db8::1',
    '3fff::1',
    '4000::1',
    '64:ff9b:1::a00:1',
    '64:ff9b:1::a9fe:a9fe',
    '64:ff9b:1:7f00:0:100::',
    '::10.0.0.1',
    '::ffff:0:10.0.0.1',
    '2130706433',
    '0x7f.1',
    '127.1',
    'localhost',
    '',
  ],
  none: [
    '10.0.0.5',
    '172.16.3.4',
    '192.168.1.1',
    '100.64.0.1',
    '8.8.8.8',
    'fd12::1',
    '2a00:1450::1',
    '::ffff:10.0.0.5',
    '64:ff9b::808:808',
    '2002:808:808::1',
  ],
};

it.each(Object.entries(rules))('finds every form of %s addresses', (rule, addresses) => {
  const found = addresses.map((address) => `${address} ${addressRule(address) ?? 'none'}`);
  expect(found).toEqual(addresses.map((address) => `${address} ${rule}`));
});

describe('the list of hosts', () => {
  const { hosts, faults } = readAllowedHosts(
    'hooks.example.com, *.Apps.example:8443,http://plain.example, http://127.0.0.1:9000,[fd00::5],b\u00fccher.example',
  );
  const verdict = (text: string) => hosts.missing(new URL(text)) ?? 'listed';

  it('has no faults', () => expect(faults).toEqual([]));

  it.each([
    ['https://hooks.example.com/a', 'listed'],
    ['https://HOOKS.example.com:443/a', 'listed'],
    ['https://hooks.example\u3002com/', 'listed'],
    ['https://hooks.example.com./', 'host'],
    ['https://hooks.example.com.evil.example/', 'host'],
    ['https://x.hooks.example.com/', 'host'],
    ['https://hooks.example.com:8443/', 'port'],
    ['http://hooks.example.com/', 'scheme'],
    ['http://hooks.example.com:443/', 'port'],
    ['https://a.apps.example:8443/', 'listed'],
    ['https://a.b.apps.example:8443/', 'listed'],
    ['https://a.apps.example/', 'port'],
    ['https://apps.example:8443/', 'host'],
    ['https://xapps.example:8443/', 'host'],
    ['http://a.apps.example:8443/', 'scheme'],
    ['http://plain.example/', 'listed'],
    ['https://plain.example/', 'listed'],
    ['http://plain.example:8080/', 'port'],
    ['http://127.0.0.1:9000/', 'listed'],
    ['http://2130706433:9000/', 'listed'],
    ['http://127.0.0.1/', 'port'],
    ['http://[::ffff:127.0.0.1]:9000/', 'host'],
    ['http://127.0.0.2:9000/', 'host'],
    ['https://[FD00:0::5]/', 'listed'],
    ['https://xn--bcher-kva.example/', 'listed'],
  ])('finds %s %s', (url, expected) => expect(verdict(url)).toBe(expected));

  it.each([
    '169.254.169.254',
    'http://169.254.1.1:80',
    '[fe80::1]',
    '[fd00:ec2::254]',
    '100.100.100.200',
    '0xa9fea9fe',
    '2852039166',
    '[::ffff:169.254.169.254]',
    '[::ffff:127.0.0.1]',
    '[64:ff9b::7f00:1]',
    '0.0.0.0',
    '[::]',
    '224.0.0.1',
    '*.127.0.0.1',
    '*.[::1]',
    'metadata.google.internal',
    '*',
    '*.',
    'a*.example',
    'example.com.',
    'example.com:0',
    'example.com:70000',
    'example.com/path',
    'user@example.com',
    'ftp://example.com',
    'a b',
    'a%2eexample',
    '',
  ])('refuses the entry "%s" at the start, and does not quote it', (entry) => {
    const { faults } = readAllowedHosts(`good.example,${entry}`);
    expect(faults).toEqual([expect.stringMatching(/^WEBHOOK_ALLOWED_HOSTS: entry 2 /)]);
    if (entry.length > 4) expect(faults[0]).not.toContain(entry);
  });

  it('is empty without entries', () => expect(readAllowedHosts(' ').hosts.isEmpty).toBe(true));
});

const listed =
  'hooks.example,*.apps.example,http://127.0.0.1:9000,http://localhost:9000,[::1]:9000,http://10.0.0.5:8080,2852039166x.example';
const addressesOf: Record<string, string[]> = {
  'hooks.example': ['10.1.2.3', 'fd12::3'],
  localhost: ['::1', '127.0.0.1'],
  'half.apps.example': ['10.1.2.3', '169.254.169.254'],
  'mapped.apps.example': ['::ffff:127.0.0.1'],
  'nat64.apps.example': ['64:ff9b::a9fe:a9fe'],
  'sixtofour.apps.example': ['2002:7f00:1::'],
  'loopback.apps.example': ['127.0.0.1'],
  'own.apps.example': ['10.9.9.9'],
};
const destinations = createDestinations({
  allowed: readAllowedHosts(listed).hosts,
  lookup: async (hostname) =>
    (addressesOf[hostname] ?? []).map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
  isOwnListener: (address, port) => isListener([{ host: '10.9.9.9', port: 443 }], address, port),
  ownUrls: ['https://hooks.example/wati/'],
});

async function ruleOf(text: string): Promise<UrlRule | 'fine' | 'no URL'> {
  try {
    const url = destinations.parse(text);
    if (!url) return 'no URL';
    await assertReachable(destinations, url);
    return 'fine';
  } catch (error) {
    if (error instanceof UrlRefused) return error.rule;
    throw error;
  }
}

it.each([
  ['https://hooks.example/a?b=c', 'fine'],
  ['http://127.0.0.1:9000/', 'fine'],
  ['http://localhost:9000/', 'fine'],
  ['http://10.0.0.5:8080/', 'fine'],
  ['hooks.example', 'no URL'],
  ['https://', 'no URL'],
  ['https://1.2.3.4.5/', 'no URL'],
  ['file:///etc/passwd', 'scheme'],
  ['gopher://hooks.example/', 'scheme'],
  ['ws://hooks.example/', 'scheme'],
  ['javascript:alert(1)', 'scheme'],
  ['https://user@hooks.example/', 'userinfo'],
  ['https://user:word@hooks.example/', 'userinfo'],
  ['https://@hooks.example/', 'userinfo'],
  ['https://:@hooks.example/', 'userinfo'],
  ['https://hooks.example@evil.example/', 'userinfo'],
  ['https:\\\\user@hooks.example/', 'userinfo'],
  ['https:hooks.example@evil.example/', 'userinfo'],
  ['https://hooks.example/#x', 'fragment'],
  ['https://hooks.example/#', 'fragment'],
  ['https://evil.example\\@hooks.example/', 'host'],
  ['https://evil.example/hooks.example', 'host'],
  ['https://evil.example?@hooks.example/', 'host'],
  ['https://localhost.localdomain:9000/', 'host'],
  ['http://localhost.:9000/', 'host'],
  ['https://hooks.example:22/', 'port'],
  ['http://hooks.example/', 'scheme'],
  ['https://hooks.example/wati', 'own-listener'],
  ['https://hooks.example/wati/token', 'own-listener'],
  ['https://nowhere.apps.example/', 'name'],
  ['https://half.apps.example/', 'metadata'],
  ['https://mapped.apps.example/', 'loopback'],
  ['https://nat64.apps.example/', 'metadata'],
  ['https://sixtofour.apps.example/', 'loopback'],
  ['https://loopback.apps.example/', 'loopback'],
  ['https://own.apps.example/', 'own-listener'],
  // None of these is listed, in whichever way they are written.
  ...[
    'https://127.0.0.1/',
    'https://2130706433/',
    'https://0x7f000001/',
    'https://0x7f.1/',
    'https://0177.0.0.1/',
    'https://127.1/',
    'https://127.0.0.1./',
    'https://127\u30020\u30020\u30021/',
    'https://\u2460\u2461\u2466.0.0.1/',
    'https://%31%32%37.0.0.1/',
    'https://[::1]/',
    'https://[::ffff:127.0.0.1]/',
    'https://[::ffff:7f00:1]/',
    'https://[64:ff9b::7f00:1]/',
    'https://[2002:7f00:1::]/',
    'https://0/',
    'https://0.0.0.0/',
    'https://[::]/',
    'https://169.254.169.254/',
    'https://2852039166/',
    'https://0xA9FEA9FE/',
    'https://[fd00:ec2::254]/',
    'https://100.100.100.200/',
    'https://224.0.0.1/',
    'https://LOCALHOST/',
  ].map((url) => [
    url,
    /127\.0\.0\.1|2130706433|0x7f|0177|127\.1|127.0.0.1|\u2460|%31|LOCALHOST|\[::1\]/.test(url) ? 'any' : 'host',
  ]),
])('finds %s %s', async (url, expected) => {
  const rule = await ruleOf(url);
  if (expected === 'any') expect(['host', 'port']).toContain(rule);
  else expect(rule).toBe(expected);
});

it('says which rule it was, and no address that a name leads to', async () => {
  const url = destinations.parse('https://half.apps.example/');
  const thrown = await assertReachable(destinations, url ?? new URL('x:')).catch((error: Error) => error.message);
  expect(thrown).toBe('its host resolves to a metadata service of a cloud (rule: metadata)');
});

it('gives a name up that is not resolved soon', async () => {
  const allowed = readAllowedHosts('hooks.example').hosts;
  const lookup = () => new Promise<never>(() => {});
  const hasty = createDestinations({ allowed, lookup, lookupMs: 5, isOwnListener: () => false });
  await expect(hasty.resolve('hooks.example', 443)).rejects.toThrow('its host cannot be resolved (rule: name)');
});

it('knows its own listeners by each address that reaches them', () => {
  const at = (host: string, address: string) => isListener([{ host, port: 3000 }], address, 3000);
  expect(at('127.0.0.1', '127.0.0.1')).toBe(true);
  expect(at('127.0.0.1', '10.0.0.1')).toBe(false);
  expect(at('localhost', '::1')).toBe(true);
  expect(at('0.0.0.0', '127.0.0.9')).toBe(true);
  expect(at('::', '::ffff:127.0.0.1')).toBe(true);
  expect(at('10.0.0.1', '::ffff:10.0.0.1')).toBe(true);
  expect(isListener([{ host: '0.0.0.0', port: 3000 }], '127.0.0.1', 3001)).toBe(false);
});
