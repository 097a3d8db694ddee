import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Agenda } from './agenda.ts';
import { type Answer, badRequest, type Query } from './call.ts';
import { check } from './check.ts';
import { type Exchange, isOwnAnswer, pause, perform, processes, type Scripted } from './faults.ts';
import { authorizationOf, type GateState, gate } from './gate.ts';
import type { LedgerBook, LedgerEntry } from './ledger.ts';
import type { Magic } from './magic.ts';
import { nouns } from './nouns.ts';
import { findOperation, type Host, type Match, type Operation } from './operations.ts';
import { recipientsIn } from './recipients.ts';
import type { SendFaults } from './send-faults.ts';
import type { Tracking } from './tracking.ts';
import { type ReceivedBody, receive } from './upload.ts';

export interface World extends GateState {
  readonly ledger: LedgerBook;
  readonly violations: string[];
  readonly scripts: Map<Operation, Scripted[]>;
  readonly magic: Magic;
  readonly sendFaults: SendFaults;
  readonly lateMs: number;
  readonly now: () => number;
  readonly agenda: Agenda;
  readonly tracking: Tracking;
  /** Faults of whole requests, chosen by their content. */
  rule: Rule | undefined;
}

/** An answer that replaces the tenant's own, by the text of the body; `undefined`: the tenant's own. */
export type Rule = (request: { readonly operation: Operation; readonly text: string }) => Scripted | undefined;

interface Request {
  readonly raw: IncomingMessage;
  readonly host: Host;
  readonly match: Match | undefined;
  readonly query: Query;
  readonly entry: LedgerEntry;
}

/** Handles one request from its head to its answer. */
export async function serve(
  world: World,
  host: Host,
  { raw, response, signal }: { raw: IncomingMessage; response: ServerResponse; signal: AbortSignal },
): Promise<void> {
  const request = open(world, host, raw);
  const { match, entry } = request;
  const { tenant } = world;
  const exchange: Exchange = {
    request: raw,
    response,
    signal,
    contentType: host === 'control' ? 'application/json' : tenant.settings.contentType,
    lateMs: world.lateMs,
  };

  // The head decides, and the answer follows after the body, so that the ledger also contains the body of a refused request.
  const stopped = gate(world, { host, request: raw, operation: match?.route.operation });
  let scripted = stopped ? undefined : (take(world, match) ?? transportMagic(world, request, entry.recipients));
  if (scripted?.fault === 'refuse') {
    await perform(exchange, none, scripted);
    return;
  }
  // Reading starts before an early answer, because Node discards the unread body of an answered request.
  const reading = receive(raw, match?.route, {
    signal,
    bytesPerSecond: scripted?.readBytesPerSecond,
    firstChunkOnly: scripted?.fault === 'reset-mid-body',
  });
  if (scripted?.fault === 'early') {
    setStatus(entry, await perform(exchange, scriptedAnswer(scripted, none), scripted));
  }
  const body = await reading;
  const json = record(entry, body);
  if (scripted?.fault === 'reset-mid-body') await perform(exchange, none, scripted);
  if (!body.complete) return;

  world.ledger.name(entry, recipientsIn(entry.operation, json, body.kept));
  const examined = { request: raw, query: request.query, json, bodyBytes: body.bytes, upload: body.fault };
  const findings = match ? check({ ...match, ...examined }) : [];
  world.violations.push(...findings.map((finding) => `${entry.operation}: ${finding.text}`));
  if (scripted?.fault === 'early') return;

  const wrong = findings.filter((finding) => finding.answered).map((finding) => finding.text);
  if (!stopped && wrong.length === 0) scripted ??= transportMagic(world, request, entry.recipients);
  if (!stopped && match) scripted ??= world.rule?.({ operation: match.route.operation, text: body.raw.toString() });
  const answer = stopped ?? answerOf(world, request, { body, json, wrong, scripted: scripted ?? {} });
  entry.processed = answer.acted;
  const early = world.tracking.takeEarly();
  if (early.length > 0) await Promise.race([Promise.all(early), pause(earlyMaxMs, signal)]);
  setStatus(entry, await perform(exchange, answer, scripted ?? {}));
}

/** How long a webhook that is posted before the answer may delay it. */
const earlyMaxMs = 2_000;

const none: Answer = { status: 200, acted: false };

interface Examined {
  readonly body: ReceivedBody;
  readonly json: unknown;
  /** Faults that WATI answers. */
  readonly wrong: readonly string[];
  readonly scripted: Scripted;
}

function answerOf(world: World, { match, query }: Request, { body, json, wrong, scripted }: Examined): Answer {
  if (!match) return { status: 404, acted: false };
  const own = isOwnAnswer(scripted);
  const act = processes(scripted);
  // WATI has a special answer with status 200 for a session message without its text.
  const lacksText = match.route.operation === 'sendSessionMessage' && !query.messageText;
  if (own && wrong.length > 0 && !lacksText) return badRequest(wrong);
  if (!act) return scriptedAnswer(scripted, none);
  const call = {
    operation: match.route.operation,
    params: match.params,
    query,
    json,
    form: formOf(body.raw),
    // WATI finds no file in an invalid upload.
    parts: body.fault === undefined ? (body.parts ?? []) : [],
    kept: body.kept,
    forced: !own,
    now: world.now(),
  };
  // Histories show what has happened by now.
  world.agenda.catchUp();
  const perform = () => nouns[match.route.operation](call, world.tenant);
  const answer = scripted.silent ? world.tracking.silenced(perform) : perform();
  return own ? { ...answer, headers: { ...answer.headers, ...scripted.headers } } : scriptedAnswer(scripted, answer);
}

function scriptedAnswer(scripted: Scripted, { acted }: Answer): Answer {
  return {
    status: scripted.status ?? 200,
    body: scripted.body,
    ...(scripted.contentType === undefined ? {} : { contentType: scripted.contentType }),
    ...(scripted.headers === undefined ? {} : { headers: scripted.headers }),
    acted,
  };
}

function open(world: World, host: Host, raw: IncomingMessage): Request {
  const [rawPath = '/', search = ''] = splitOnce(raw.url ?? '/', '?');
  const path = host === 'gateway' && rawPath.startsWith('/wati/') ? rawPath.slice('/wati'.length) : rawPath;
  const inApp = host === 'control' || rawPath.startsWith('/wati/');
  const match = inApp ? findOperation(host, raw.method ?? 'GET', path) : undefined;
  const query = parseQuery(search);
  const connection = raw.headers['maton-connection'];
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(raw.headers))
    headers[name] = Array.isArray(value) ? value.join(', ') : (value ?? '');
  headers.authorization = authorizationOf(raw, world.key);
  const target = match?.params.target ?? query.whatsappNumber;
  const entry = world.ledger.open({
    at: world.now(),
    host,
    method: raw.method ?? 'GET',
    path,
    query,
    headers,
    operation: match?.route.operation ?? 'unknown',
    ...(typeof connection === 'string' ? { connection } : {}),
    recipients: [],
    complete: false,
    processed: false,
  });
  if (typeof target === 'string') world.ledger.name(entry, [target]);
  return { raw, host, match, query, entry };
}

/** Records the body and answers with it as JSON; undefined if it is no JSON. */
function record(entry: LedgerEntry, body: ReceivedBody): unknown {
  entry.complete = body.complete;
  if (body.parts) entry.parts = body.parts;
  if (body.raw.length === 0) return undefined;
  const text = body.raw.toString('utf8');
  try {
    const json: unknown = JSON.parse(text);
    entry.body = json;
    return json;
  } catch {
    entry.body = text;
    return undefined;
  }
}

function take(world: World, match: Match | undefined): Scripted | undefined {
  if (!match) return undefined;
  return world.scripts.get(match.route.operation)?.shift() ?? (match.route.sends ? world.sendFaults.take() : undefined);
}

function transportMagic(world: World, { match }: Request, recipients: readonly string[]): Scripted | undefined {
  return match?.route.sends && world.tenant.settings.magic ? world.magic.of(recipients) : undefined;
}

function setStatus(entry: LedgerEntry, status: number | undefined): void {
  if (status !== undefined) entry.status = status;
}

function parseQuery(search: string): Query {
  const query: Record<string, string | string[]> = {};
  for (const [name, value] of new URLSearchParams(search)) {
    const before = query[name];
    if (before === undefined) query[name] = value;
    else query[name] = Array.isArray(before) ? [...before, value] : [before, value];
  }
  return query;
}

function formOf(raw: Buffer): Readonly<Record<string, string>> {
  return Object.fromEntries(new URLSearchParams(raw.toString('utf8')));
}

function splitOnce(text: string, separator: string): [string, string] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)];
}
