import { type Connection, type FileSchema, LocalConnection } from './connection.ts';
import { openDatabase } from './file.ts';
import { inMemory } from './open-file.ts';
import { openInThread } from './threaded-connection.ts';

/** Opens a file in a thread of its own, unless `sameThread`. A file in memory stays in the calling thread, because it never waits for a disk. */
export async function openConnection(path: string, schema: FileSchema, sameThread = false): Promise<Connection> {
  if (path !== inMemory && !sameThread) return openInThread(path, schema);
  return new LocalConnection(openDatabase(path, schema.migrations), schema.noopWrite);
}
