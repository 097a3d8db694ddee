import { describe, expect, it } from 'vitest';
import { ConfigError, loadConfig } from '../../src/config.ts';

const minimal = { MATON_API_KEY: 'maton-key-of-this-test', CLIENTS_FILE: 'clients.json' };

function outcome(settings: Record<string, string>): string {
  try {
    return loadConfig({ ...minimal, ...settings }).STORE_TLS;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    expect(error.message).not.toContain('pass-of-nobody');
    return error.faults.join(' | ');
  }
}

const at = (host: string, query = '') => `postgres://bff:pass-of-nobody@${host}/bff${query}`;
const local = ['localhost', '127.0.0.1:5432', '127.9.9.9', '[::1]', '%2Fvar%2Frun%2Fpostgresql'];
const remote = [
  'db',
  'db.example.com:5432',
  '10.0.0.4',
  '127.0.0.1.example.com',
  '[2001:db8::1]',
  'localhost.example.com',
  '0.0.0.0',
];

describe('a PostgreSQL', () => {
  it.each(local)('at %s needs no TLS, and may have it', (host) => {
    expect(outcome({ STORE_URL: at(host) })).toBe('off');
    expect(outcome({ STORE_URL: at(host), STORE_TLS: 'require' })).toBe('require');
    expect(outcome({ STORE_URL: at(host, '?sslmode=verify-full') })).toBe('require');
    expect(outcome({ STORE_URL: at(host, '?sslmode=disable') })).toBe('off');
  });

  it.each(remote)('at %s is connected to by TLS, unless that is explicitly switched off', (host) => {
    expect(outcome({ STORE_URL: at(host) })).toBe('require');
    expect(outcome({ STORE_URL: at(host), STORE_TLS: 'off' })).toBe('off');
    expect(outcome({ STORE_URL: at(host), STORE_TLS: '' })).toBe('require');
    expect(outcome({ STORE_URL: at(host, '?sslrootcert=/etc/ca.pem') })).toBe('require');
    for (const weak of [
      'sslmode=disable',
      'sslmode=allow',
      'sslmode=prefer',
      'sslmode=no-verify',
      'ssl=0',
      'ssl=false',
      'ssl=no-verify',
    ]) {
      expect(outcome({ STORE_URL: at(host, `?${weak}`) }), weak).toMatch(/STORE_TLS=off to send/);
      expect(outcome({ STORE_URL: at(host, `?${weak}`), STORE_TLS: 'off' }), weak).toBe('off');
    }
  });

  it.each([
    ['?host=db.example.com', 'localhost', 'require'],
    ['?host=127.0.0.1&host=db.example.com', 'localhost', 'require'],
    ['?host=/var/run/postgresql', 'db.example.com', 'off'],
  ])('is where its address says last: %s', (query, host, tls) => {
    expect(outcome({ STORE_URL: at(host, query) })).toBe(tls);
  });

  it('without a host in its address is at PGHOST', () => {
    for (const url of ['postgres:///bff', 'postgres://bff@/bff']) {
      expect(outcome({ STORE_URL: url })).toBe('off');
      expect(outcome({ STORE_URL: url, PGHOST: 'db.example.com' })).toBe('require');
      expect(outcome({ STORE_URL: url, PGHOST: '/var/run/postgresql' })).toBe('off');
    }
    expect(outcome({ STORE_URL: 'postgres://bff@/bff?host=db.example.com' })).toBe('require');
  });

  it.each([
    ['sslmode=disable', 'require'],
    ['sslmode=prefer', 'require'],
    ['sslmode=no-verify', 'require'],
    ['ssl=0', 'require'],
    ['uselibpqcompat=true&sslmode=require', 'require'],
    ['sslmode=require', 'off'],
    ['sslmode=verify-ca', 'off'],
    ['sslmode=verify-full', 'off'],
    ['ssl=true', 'off'],
    ['sslrootcert=/etc/ca.pem', 'off'],
    ['sslnegotiation=direct', 'off'],
    ['sslmode=disable&sslmode=verify-full', 'require'],
    ['sslmode=disable&ssl=1', 'off'],
    ['sslmode=constructor', 'off'],
    ['sslmode=VERIFY-FULL', 'require'],
  ])('with %s contradicts STORE_TLS=%s, wherever it is', (query, STORE_TLS) => {
    for (const host of ['127.0.0.1', 'db.example.com']) {
      expect(outcome({ STORE_URL: at(host, `?${query}`), STORE_TLS })).toMatch(/STORE_(URL|TLS)/);
    }
  });
});

it('a file needs no TLS, and another word is refused', () => {
  expect(outcome({})).toBe('off');
  expect(outcome({ STORE_TLS: 'require' })).toBe('off');
  expect(outcome({ STORE_TLS: 'no' })).toBe('STORE_TLS must be one of require, off');
});
