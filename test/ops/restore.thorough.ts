import { copyFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, it } from 'vitest';
import { openStore } from '../../src/store/open.ts';
import { insertPublished } from '../store/broadcast-samples.ts';
import { insertSending, mustFind, newMessage, newStream, OPTIONS, recoverAndAdopt } from '../store/samples.ts';

const sql = /```sql\n([^`]*)```/.exec(readFileSync('docs/operations.md', 'utf8'))?.[1] ?? '';

it('sends nothing from an old copy that was made safe as docs/operations.md says', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'restore-'));
  try {
    const store = await openStore(`file:${folder}/store.db`, OPTIONS);
    await store.insert(newMessage('queued'));
    await store.insert(newStream('stream'));
    await insertSending(store, newMessage('sending'));
    await insertPublished(store, 'campaign', 3);
    const { epoch } = await store.eventPositions('billing');
    await store.close();
    copyFileSync(`${folder}/store.db`, `${folder}/old.db`);

    const db = new DatabaseSync(`${folder}/old.db`);
    db.exec(sql);
    db.close();
    const restored = await openStore(`file:${folder}/old.db`, OPTIONS);
    expect(await recoverAndAdopt(restored, 100)).toEqual({ unknown: 3, adopted: [] });
    for (const id of ['queued', 'stream', 'sending']) expect((await mustFind(restored, id)).status).toBe('unknown');
    expect(await restored.claimBatch('campaign', 10)).toEqual([]);
    // Readers of events learn that they may have missed some.
    expect((await restored.eventPositions('billing')).epoch).not.toBe(epoch);
    await restored.close();

    // What it is good for: untouched, the copy would send again.
    const again = await openStore(`file:${folder}/store.db`, OPTIONS);
    expect(await recoverAndAdopt(again, 100)).toMatchObject({ adopted: [{ id: 'queued' }] });
    expect(await again.claimBatch('campaign', 10)).toHaveLength(3);
    expect((await again.eventPositions('billing')).epoch).toBe(epoch);
    await again.close();
  } finally {
    rmSync(folder, { recursive: true });
  }
});
