import { createServer } from 'node:http';
import { argv } from 'node:process';

/** WATI, reduced to one prepared page of contacts for each page size, one template, and to a yes for every send: it costs as little as node:http allows. */

const bulkPath = '/api/v2/sendTemplateMessages';

function contact(index: number) {
  const phone = String(14_155_551_000 + index);
  const name = `Asha Customer${String(index).padStart(3, '0')}`;
  const own = { city: 'Pune', member: 'VIP', email: `customer${index}@example.com` };
  const customParams = Object.entries({ name, phone, language: 'en', ...own }).map(([name, value]) => ({
    name,
    value,
  }));
  return {
    id: `65f0c0de${index.toString(16).padStart(16, '0')}`,
    wAid: phone,
    firstName: 'Asha',
    fullName: name,
    phone,
    source: null,
    contactStatus: 'VALID',
    photo: null,
    created: 'May-14-2024',
    customParams,
    optedIn: true,
    isDeleted: false,
    lastUpdated: '2026-05-14T09:30:00.000Z',
    allowBroadcast: true,
    allowSMS: true,
    teamIds: [],
    isInFlow: false,
    lastFlowId: null,
    currentFlowNodeId: null,
    selectedHubspotId: null,
  };
}

function page(size: number): Buffer {
  const contact_list = Array.from({ length: size }, (_, index) => contact(index));
  const link = { prevPage: null, nextPage: null, pageNumber: 1, pageSize: size, total: 120 };
  return Buffer.from(JSON.stringify({ result: 'success', contact_list, link }));
}

const pages = new Map<string, Buffer>();

/** Each message has an id of its own, or a database would take the column for one that tells nothing. */
let sends = 0;
const accepted = () =>
  Buffer.from(
    JSON.stringify({ result: 'success', ok: true, message: { whatsappMessageId: `wamid.${String(++sends)}` } }),
  );

const templates = Buffer.from(
  JSON.stringify({
    result: 'success',
    messageTemplates: [
      {
        id: '65f0c0de0000000000000001',
        elementName: 'order_update',
        status: 'APPROVED',
        category: 'UTILITY',
        language: { key: 'en', value: 'English', text: 'English' },
        body: 'Hi {{customer_name}}, your order {{order_id}} {{order_status}}.',
      },
    ],
    link: { prevPage: null, nextPage: null, pageNumber: 1, pageSize: 100, total: 1 },
  }),
);

/** Names each receiver, as WATI does. */
function acceptedEach(call: Buffer): Buffer {
  const { receivers }: { receivers: { whatsappNumber: string; localMessageId: string }[] } = JSON.parse(String(call));
  const each = receivers.map(({ whatsappNumber: waId, localMessageId }) => ({
    localMessageId,
    waId,
    isValidWhatsAppNumber: true,
    errors: [],
  }));
  return Buffer.from(JSON.stringify({ result: true, receivers: each }));
}

const server = createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
  if (request.method === 'POST') {
    const isBulk = request.url?.includes(bulkPath);
    const chunks: Buffer[] = [];
    request.on('data', (chunk) => isBulk && chunks.push(chunk));
    // An answer before the end of an upload would be a success for half a file.
    request.once('end', () => {
      const answer = isBulk ? acceptedEach(Buffer.concat(chunks)) : accepted();
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': answer.length }).end(answer);
    });
    return;
  }
  if (request.url?.includes('/getMessageTemplates')) {
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': templates.length }).end(templates);
    return;
  }
  const size = /[?&]pageSize=(\d+)/.exec(request.url ?? '')?.[1] ?? '50';
  const body = pages.get(size) ?? page(Number(size));
  pages.set(size, body);
  response.writeHead(200, { 'content-type': 'application/json; charset=utf-8', 'content-length': body.length });
  response.end(body);
});
server.listen(Number(argv[2]), '127.0.0.1');
