import { randomUUID } from 'node:crypto';
import { argv } from 'node:process';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import Fastify from 'fastify';
import { Agent, request } from 'undici';

/**
 * The minimum of a durable send in Node: a Fastify route with schemas, three writes that are on disk before the next step (recorded,
 * sending, accepted; writes of one turn of the event loop share a commit), and a call over a fresh TCP connection. It has no keys,
 * limits, log, metrics or permits, and handles only successful answers.
 */
const [port, upstream = '', file = ''] = argv.slice(2);

const db = new DatabaseSync(file);
db.exec(`
  PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
  CREATE TABLE sends (
    id TEXT PRIMARY KEY, recipient TEXT NOT NULL, content TEXT, status TEXT NOT NULL, wamid TEXT, created INTEGER NOT NULL
  ) WITHOUT ROWID;
`);
const begin = db.prepare('BEGIN IMMEDIATE');
const commit = db.prepare('COMMIT');
const insert = db.prepare("INSERT INTO sends VALUES (?, ?, ?, 'queued', NULL, ?)");
const claim = db.prepare("UPDATE sends SET status = 'sending' WHERE id = ? AND status = 'queued'");
const complete = db.prepare("UPDATE sends SET status = 'accepted', wamid = ?, content = NULL WHERE id = ?");

let waiting: (() => () => void)[] = [];

/** Resolves once the change is on disk. */
function mark(statement: StatementSync, ...values: (string | number)[]): Promise<void> {
  return new Promise((resolve) => {
    if (waiting.length === 0) setImmediate(commitAll);
    waiting.push(() => {
      statement.run(...values);
      return resolve;
    });
  });
}

function commitAll(): void {
  const group = waiting;
  waiting = [];
  begin.run();
  const acknowledgements = group.map((write) => write());
  commit.run();
  for (const acknowledge of acknowledgements) acknowledge();
}

/** Without pipelining, undici closes each connection after its answer. */
const agent = new Agent({ allowH2: false, pipelining: 0, connections: 64 });
const text = { type: 'string' };
const schema = {
  body: { type: 'object', required: ['to', 'text'], properties: { to: text, text }, additionalProperties: false },
  response: {
    201: {
      type: 'object',
      properties: { id: text, kind: text, to: text, status: text, whatsappMessageId: text, createdAt: text },
    },
  },
};

const app = Fastify();
app.get('/health/live', () => ({}));
app.post<{ Body: { to: string; text: string } }>('/v1/messages/text', { schema }, async ({ body, headers }, reply) => {
  const id = randomUUID();
  const created = Date.now();
  await mark(insert, id, body.to, body.text, created);
  await mark(claim, id);
  const query = `messageText=${encodeURIComponent(body.text)}&localMessageId=${id}`;
  const answer = await request(`${upstream}/wati/api/v1/sendSessionMessage/${body.to}?${query}`, {
    method: 'POST',
    dispatcher: agent,
    headers: { authorization: headers.authorization },
  });
  const { message } = JSON.parse(await answer.body.text());
  await mark(complete, message.whatsappMessageId, id);
  reply.code(201);
  const { whatsappMessageId } = message;
  const createdAt = new Date(created).toISOString();
  return { id, kind: 'text', to: body.to, status: 'accepted', whatsappMessageId, createdAt };
});
await app.listen({ port: Number(port), host: '127.0.0.1' });
