import { isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import { isLoopback } from '../lib/loopback.ts';
import { addressRule, sameAddress } from './address-rules.ts';

export interface Listener {
  /** An address, or a name of this machine. */
  host: string;
  port: number;
}

const everywhere = ['0.0.0.0', '::', ''];

/** Returns whether one of these listeners accepts connections to an address. */
export function isListener(listeners: readonly Listener[], address: string, port: number): boolean {
  return listeners.some((listener) => listener.port === port && listensOn(listener.host, address));
}

function listensOn(host: string, address: string): boolean {
  if (isIP(host) !== 0 && !everywhere.includes(host)) return sameAddress(host, address);
  if (isLoopback(host)) return addressRule(address) === 'loopback';
  return addressRule(address) === 'loopback' || ownAddresses().some((own) => sameAddress(own, address));
}

const ownAddresses = (): string[] =>
  Object.values(networkInterfaces()).flatMap((addresses = []) =>
    addresses.map(({ address }) => address.replace(/%.*/, '')),
  );
