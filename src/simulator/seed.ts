import { addRow, inboundRow, outboundRow, rowBase } from './messages.ts';
import { seedTemplates } from './seed-templates.ts';
import type { Contact, Tenant } from './state.ts';

const minute = 60_000;
const day = 24 * 60 * minute;
const contactCount = 120;
/** 14155551000 to 14155551099: none of them is a magic number. */
const firstPhone = 14_155_551_000;
/** The last twenty numbers are reserved for fiction; the docs page and the guides use them. */
const firstFictional = 100;

/** The initial state of a tenant. It is the same after every reset, except that times are relative to now. */
export function seed(tenant: Tenant, now: number): void {
  tenant.addConnection({ id: '21fd90f9-5935-43cd-b6c8-bde9d915ca80', createdAt: now - 90 * day });
  // An account whose authorization failed: the example of a connection that can be deleted.
  tenant.addConnection({ id: '7b1e4c52-0d5f-4a8e-9c36-52f1d7a0e9b4', status: 'FAILED', createdAt: now - 30 * day });
  tenant.operators.add('asha@example.com').add('ben@example.com');
  tenant.templates.push(...seedTemplates());
  seedFiles(tenant);
  for (let index = 0; index < contactCount; index += 1) {
    const contact = seedContact(tenant, index, now);
    seedHistory(tenant, contact, { index, now });
  }
}

function seedContact(tenant: Tenant, index: number, now: number): Contact {
  return tenant.addContact(phoneOf(index), {
    id: `65f0c0de${index.toString(16).padStart(16, '0')}`,
    name: `${['Asha', 'Ben', 'Chen', 'Divya', 'Emre'][index % 5]} Customer${String(index).padStart(3, '0')}`,
    createdAt: now - (200 - index) * day,
    attributes: {
      city: index % 2 === 0 ? 'Pune' : 'Berlin',
      ...(index % 10 === 0 ? { member: 'VIP' } : {}),
      ...(index % 3 === 0 ? { email: `customer${index}@example.com` } : {}),
    },
    ...(index === 20 ? { optedOut: true } : {}),
    ...(index === 21 ? { bsuid: 'US.123124141512' } : {}),
    ...(index === 119 ? { bsuid: 'US.550119124141' } : {}),
    ...(index === 22 ? { status: 'INVALID' as const } : {}),
  });
}

/** 100 is …0100, 101 to 109 are …0121 to …0129, 110 to 119 are …0110 to …0119: …0101 and …0103 are magic. */
function phoneOf(index: number): string {
  if (index < firstFictional) return String(firstPhone + index);
  const last = index > firstFictional && index < 110 ? index + 20 : index;
  return `1415555${String(last).padStart(4, '0')}`;
}

/** 0..9, 20, 21, 100 and 110..119 have an open window, 10..19 and 101..109 a closed one; all others never wrote. */
function seedHistory(tenant: Tenant, contact: Contact, { index, now }: { index: number; now: number }): void {
  if (index === 0) seedLongChat(tenant, contact, now);
  const open = index < 10 || index === 20 || index === 21 || index === firstFictional || index >= 110;
  if (open) tenant.receive(contact.phone, 'Hello, is my order on its way?', now - 30 * minute);
  else if (index < 20 || index > firstFictional) tenant.receive(contact.phone, 'Thank you', now - 3 * day);
}

/** Everything that a history may contain: messages, ticket events, broadcasts, media, a failure. */
function seedLongChat(tenant: Tenant, contact: Contact, now: number): void {
  const start = now - 5 * day;
  const at = (step: number) => start + step * 30 * minute;
  const ticket = (step: number, description: string) =>
    addRow(tenant, contact, {
      ...rowBase(tenant.ids, contact, at(step)),
      eventType: 'ticket',
      owner: null,
      text: null,
      type: 1,
      statusString: null,
      eventDescription: description,
      actor: 'Bot',
      assignee: null,
      topicName: null,
    });
  ticket(0, 'The chat has been initialized by contact');
  addRow(tenant, contact, {
    ...rowBase(tenant.ids, contact, at(1)),
    eventType: 'broadcastMessage',
    owner: null,
    text: null,
    finalText: 'Hi Asha, your order A-1001 has shipped.',
    type: null,
    templateName: null,
    eventDescription: 'Broadcast message with using "order_update" template was sent by API',
    statusString: 'READ',
    localMessageId: 'seed-local-broadcast',
    whatsappMessageId: 'wamid.c2VlZC1icm9hZGNhc3Q=',
  });
  for (let step = 2; step < 30; step += 2) {
    tenant.receive(contact.phone, `Question ${step}`, at(step));
    addRow(tenant, contact, {
      ...outboundRow(tenant.ids, contact, { text: `Answer ${step}`, type: 'text', at: at(step + 1) }),
      statusString: 'READ',
      operatorName: 'Asha',
      localMessageId: `seed-local-${step}`,
    });
  }
  const written = (step: number, more: object) =>
    addRow(tenant, contact, { ...inboundRow(tenant.ids, contact, { text: '', at: at(step) }), text: null, ...more });
  written(30, { type: 'interactive', interactiveButtonReply: { id: '1', title: 'Yes please' } });
  written(30.5, { type: 'location', location: { latitude: 12.9716, longitude: 77.5946, name: 'Cubbon Park' } });
  // Some tenants' rows, like webhooks, have the whole address instead of the path.
  written(31, {
    type: 'document',
    text: 'Terms and conditions.txt',
    data: 'https://live-mt-server.wati.io/2552/api/file/showFile?fileName=data/documents/5f0c6a3e-0002-4000-8000-000000000002.txt',
  });
  addRow(tenant, contact, {
    ...outboundRow(tenant.ids, contact, { text: 'The invoice', type: 'image', at: at(32) }),
    data: 'data/images/5f0c6a3e-0001-4000-8000-000000000001.png',
    statusString: 'DELIVERED',
    localMessageId: 'seed-local-image',
  });
  addRow(tenant, contact, {
    ...outboundRow(tenant.ids, contact, { text: 'Too late', type: 'text', at: at(34) }),
    statusString: 'FAILED',
    failedCode: '131047',
    failedDetail: 'Re-engagement message',
    localMessageId: 'seed-local-failed',
  });
  ticket(36, 'The chat has been closed by Asha');
}

/** Read-only, so all tenants share it. */
const film = Buffer.alloc(5 * 1_048_576, 0x5a);

function seedFiles(tenant: Tenant): void {
  // The smallest PNG: one transparent pixel.
  const png = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==';
  tenant.files.set('data/images/5f0c6a3e-0001-4000-8000-000000000001.png', {
    contentType: 'image/png',
    bytes: Buffer.from(png, 'base64'),
  });
  tenant.files.set('data/documents/5f0c6a3e-0002-4000-8000-000000000002.txt', {
    contentType: 'text/plain',
    bytes: Buffer.from('Terms and conditions\n'),
  });
  tenant.files.set('data/videos/5f0c6a3e-0003-4000-8000-000000000003.mp4', {
    contentType: 'video/mp4',
    bytes: film,
  });
}
