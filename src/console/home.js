import { reasonsOf, toneOf } from './readiness.js';

/** Shows the state of `/health/ready` in words, now and every ten seconds. */
const everyMs = 10_000;

const state = document.getElementById('state');
const list = document.getElementById('reasons');

/**
 * @param {string} tone
 * @param {string} words
 * @param {string[]} reasons
 */
function show(tone, words, reasons) {
  if (!state || !list || (state.textContent === words && list.textContent === reasons.join(''))) return;
  state.textContent = words;
  state.dataset.tone = tone;
  list.replaceChildren(
    ...reasons.map((reason) => {
      const item = document.createElement('li');
      item.textContent = reason;
      return item;
    }),
  );
}

async function look() {
  try {
    const ready = await (await fetch('/health/ready')).json();
    show(toneOf(ready), ready.status === 'ready' ? 'Ready' : 'Not ready', reasonsOf(ready));
  } catch {
    show('bad', 'It does not answer', []);
  }
}

await look();
setInterval(look, everyMs);
