import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { isRecord, type Json } from '../support/json.ts';

/** A span as OTLP/HTTP JSON brings it, flattened. */
export interface Span {
  name: string;
  kind: 'server' | 'client' | 'other';
  traceId: string;
  spanId: string;
  parentSpanId: string;
  attributes: Json;
  isError: boolean;
  links: string[];
  durationMs: number;
}

export interface Collector {
  url: string;
  spans: Span[];
  /** Of the service that the spans are of. */
  resource: Json;
  headers: Json;
  /** Everything that came, as it came. */
  text: string;
  close(): void;
}

/** The least that takes OTLP over HTTP. With a status it refuses everything. */
export async function startCollector(status = 200): Promise<Collector> {
  const server = createServer(async (request, response) => {
    let text = '';
    for await (const chunk of request) text += chunk;
    collector.headers = request.headers;
    if (status === 200) take(text);
    response.writeHead(status, { 'content-type': 'application/json' }).end('{}');
  });
  const take = (text: string) => {
    collector.text += text;
    for (const of of records(JSON.parse(text), 'resourceSpans')) {
      if (isRecord(of.resource)) collector.resource = attributesOf(of.resource);
      for (const scope of records(of, 'scopeSpans')) collector.spans.push(...records(scope, 'spans').map(toSpan));
    }
  };
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const collector: Collector = {
    url: `http://127.0.0.1:${port}`,
    spans: [],
    resource: {},
    headers: {},
    text: '',
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
  return collector;
}

function records(of: unknown, name: string): Json[] {
  const value = isRecord(of) ? of[name] : undefined;
  return Array.isArray(value) ? value.filter(isRecord) : [];
}

const attributesOf = (of: Json): Json =>
  Object.fromEntries(
    records(of, 'attributes').map(({ key, value }) => [String(key), isRecord(value) ? Object.values(value)[0] : value]),
  );

function toSpan(span: Json): Span {
  return {
    name: String(span.name),
    kind: span.kind === 2 ? 'server' : span.kind === 3 ? 'client' : 'other',
    traceId: String(span.traceId),
    spanId: String(span.spanId),
    parentSpanId: String(span.parentSpanId ?? ''),
    attributes: attributesOf(span),
    isError: isRecord(span.status) && span.status.code === 2,
    links: records(span, 'links').map(({ spanId }) => String(spanId)),
    durationMs: Number(BigInt(String(span.endTimeUnixNano)) - BigInt(String(span.startTimeUnixNano))) / 1e6,
  };
}
