import ipaddr from 'ipaddr.js';

type Address = ReturnType<typeof ipaddr.parse>;

/** Whether a caller may come from this address. `addresses` absent: from any. An address that cannot be parsed matches none. */
export function isAllowedFrom(addresses: readonly string[] | undefined, remote: string | undefined): boolean {
  if (addresses === undefined) return true;
  if (remote === undefined || !ipaddr.isValid(remote)) return false;
  // A dual-stack socket reports 10.1.2.3 as `::ffff:10.1.2.3`.
  const from = ipaddr.process(remote);
  return addresses.some((address) => {
    const [range, bits] = rangeOf(address);
    return range.kind() === from.kind() && from.match(range, bits);
  });
}

function rangeOf(address: string): [Address, number] {
  const [range, bits] = address.includes('/') ? ipaddr.parseCIDR(address) : whole(ipaddr.parse(address));
  if (range instanceof ipaddr.IPv6 && range.isIPv4MappedAddress() && bits >= 96)
    return [range.toIPv4Address(), bits - 96];
  return [range, bits];
}

const whole = (address: Address): [Address, number] => [address, address.kind() === 'ipv4' ? 32 : 128];
