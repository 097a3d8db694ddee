import type { MessageStore } from '../message-store.ts';
import type { ContentMacs } from './content-mac.ts';
import { Cursors, type ListName } from './cursor.ts';
import type { Dialect, Engine } from './engine.ts';
import { readPage } from './list-page.ts';
import { readStatements } from './message-statements.ts';
import { emptyCounts, integer, isStatus, toSqlText, wallTime } from './row-mapping.ts';

type MessageReads = Pick<MessageStore, 'countLookalikes' | 'sameContent' | 'list' | 'counts'>;

export function createMessageReads(engine: Engine, dialect: Dialect, macs: ContentMacs): MessageReads {
  const sql = readStatements(dialect);
  const cursors = new Cursors(engine.secret);
  return {
    async countLookalikes({ id, kind, connectionId, to, template, fingerprint, channel }, from, until) {
      const content = {
        kind,
        recipient: toSqlText(to),
        template: toSqlText(template),
        fingerprint: toSqlText(fingerprint),
        contentMac: fingerprint ? macs.of(fingerprint) : null,
        channel: toSqlText(channel),
      };
      const values = { id, ...content, connection: connectionId, since: wallTime(from), until: wallTime(until) };
      const [row] = await engine.read({ statement: sql.countLookalikes, values });
      return row === undefined ? 0 : integer(row, 'n');
    },

    sameContent: (stored, fingerprint) => macs.matches(stored, fingerprint),

    async list(caller, filter, page) {
      const list: ListName = ['sends', caller];
      const { cursor: _, ...asked } = page;
      const query = { ...asked, ...cursors.before(page, list) };
      const { messages, end } = await readPage({ engine, dialect }, { callers: [caller], filter }, query);
      return { messages, ...cursors.next(end, list) };
    },

    async counts() {
      const counts = { ...emptyCounts(), scheduled: 0 };
      for (const row of await engine.read({ statement: sql.counts, values: {} })) {
        if (isStatus(row.status) || row.status === 'scheduled') counts[row.status] += integer(row, 'n');
      }
      return counts;
    },
  };
}
