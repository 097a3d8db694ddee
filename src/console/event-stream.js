import { call } from './api.js';

/** @typedef {{ event: string, data: string }} StreamEvent */

/** Longer than the longest silence of the service, which sends comments in between. */
const silenceMs = 60_000;

/**
 * Yields the events of a stream that needs a key, which EventSource cannot send. Ends when the stream ends; throws when it breaks.
 * @param {string} path
 * @param {AbortSignal} signal
 * @returns {AsyncGenerator<StreamEvent, void, undefined>}
 */
export async function* eventsOf(path, signal) {
  const silent = new AbortController();
  const both = AbortSignal.any([signal, silent.signal]);
  let timer = setTimeout(() => silent.abort(), silenceMs);
  const { body } = await call(path, { headers: { accept: 'text/event-stream' }, signal: both });
  if (body === null) return;
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  try {
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      clearTimeout(timer);
      timer = setTimeout(() => silent.abort(), silenceMs);
      const blocks = (text + part.value).split(/\r?\n\r?\n/);
      text = blocks.pop() ?? '';
      for (const block of blocks) {
        const event = parse(block);
        if (event) yield event;
      }
    }
  } finally {
    clearTimeout(timer);
    await reader.cancel().catch(() => undefined);
  }
}

/**
 * @param {string} block
 * @returns {StreamEvent | undefined} undefined: a comment
 */
function parse(block) {
  let event = 'message';
  /** @type {string[]} */
  const data = [];
  for (const line of block.split(/\r?\n/)) {
    const [, name, value = ''] = /^([a-z]+):? ?(.*)$/.exec(line) ?? [];
    if (name === 'event') event = value;
    if (name === 'data') data.push(value);
  }
  return data.length === 0 ? undefined : { event, data: data.join('\n') };
}
