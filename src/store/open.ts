import { fileURLToPath } from 'node:url';
import type { BroadcastStore } from './broadcast-port.ts';
import { broadcastVerbs } from './broadcasts.ts';
import type { Dialect, Engine } from './engine.ts';
import type { LookStore } from './look-port.ts';
import { lookVerbs } from './looks.ts';
import { operatorVerbs } from './operator.ts';
import type { OperatorStore } from './operator-port.ts';
import { personVerbs } from './person.ts';
import type { PersonStore } from './person-port.ts';
import { type PermitStore, type SendStore, type SlotStore, StoreError, type StoreOptions } from './port.ts';
import type { QuotaStore } from './quota-port.ts';
import { quotaVerbs } from './quotas.ts';
import { Sends } from './sends.ts';
import { watched } from './watched.ts';

export type Store = SendStore &
  LookStore &
  BroadcastStore &
  OperatorStore &
  PersonStore &
  QuotaStore &
  SlotStore &
  PermitStore;

/** `memory:`, `file:<path>` or `postgres://...`. Each driver is loaded only by those who use it. */
export async function openStore(url: string, options: StoreOptions): Promise<Store> {
  if (/^postgres(ql)?:\/\//.test(url)) {
    const { openPostgres, postgresDialect } = await import('./postgres/engine.ts');
    return withVerbs(await openPostgres(url, options), postgresDialect, options);
  }
  const { SqliteEngine, sqliteDialect } = await import('./sqlite/engine.ts');
  return withVerbs(new SqliteEngine(sqlitePath(url), options), sqliteDialect, options);
}

function withVerbs(bare: Engine, dialect: Dialect, options: StoreOptions): Store {
  const engine = options.onUse ? watched(bare, options.onUse) : bare;
  const verbs = {
    ...broadcastVerbs(engine, dialect, options.wall),
    ...lookVerbs(engine, dialect),
    ...quotaVerbs(engine, options.wall),
    ...operatorVerbs(engine, dialect, options.wall),
    ...personVerbs(engine, dialect, options.wall),
  };
  return Object.assign(new Sends(engine, dialect, options), verbs);
}

export function sqlitePath(url: string): string {
  if (url === 'memory:') return ':memory:';
  const path = url.startsWith('file:///') ? fileURLToPath(url) : url.startsWith('file:') ? url.slice(5) : '';
  // The address may hold a password: it is not repeated.
  if (path === '') throw new StoreError('the store address must be memory:, file:<path> or postgres://...');
  return path;
}
