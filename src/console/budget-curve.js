import { html } from './html.js';
import { clock, count, percent } from './words.js';

/** @import { BudgetPoint, Overview } from './shapes.d.ts' */

const width = 720;
const usedHeight = 120;
const waitHeight = 64;
/** Minutes that the curve can span, so that the few minutes of a new process fill the width. */
const spans = [3, 6, 15];

const lanes = /** @type {const} */ (['urgent', 'interactive', 'broadcast']);
const laneNames = { urgent: 'Urgent', interactive: 'Interactive', broadcast: 'Broadcast' };

/** Returns the number of minutes to show. @param {readonly BudgetPoint[]} points */
function minutesOf(points) {
  const known = (Date.parse(points.at(-1)?.at ?? '') - Date.parse(points[0]?.at ?? '')) / 60_000;
  return spans.find((span) => span >= known) ?? 15;
}

/** @param {BudgetPoint} point */
const waitingOf = ({ waiting }) => waiting.urgent + waiting.interactive + waiting.broadcast;

/**
 * Rounds the end of a scale up, so that the axis can be read.
 * @param {number} most
 */
function roundUp(most) {
  if (most <= 1) return 1;
  const power = 10 ** Math.floor(Math.log10(most));
  return [1, 2, 5, 10].map((step) => step * power).find((step) => step >= most) ?? most;
}

/**
 * Returns the points as the path of a line; a gap in the data is a gap in the line.
 * @param {readonly { x: number, y: number }[]} places
 * @param {number} gap
 */
const lineOf = (places, gap) =>
  places
    .map(
      ({ x, y }, at) => `${at === 0 || x - (places[at - 1]?.x ?? x) > gap ? 'M' : 'L'}${x.toFixed(1)} ${y.toFixed(1)}`,
    )
    .join('');

/**
 * @param {{ points: readonly BudgetPoint[], value: (point: BudgetPoint) => number, max: number, height: number, kind: string }} props
 */
function Line({ points, value, max, height, kind }) {
  const newest = Date.parse(points.at(-1)?.at ?? '');
  const minutes = minutesOf(points);
  const places = points.map((point) => ({
    x: width - ((newest - Date.parse(point.at)) / (minutes * 60_000)) * width,
    y: height - (Math.min(value(point), max) / max) * (height - 2) - 1,
  }));
  const line = lineOf(places, (width / (minutes * 60)) * 16);
  const area = `${lineOf(places, width)}L${places.at(-1)?.x ?? 0} ${height}L${places[0]?.x ?? 0} ${height}Z`;
  return html`
    ${kind === 'used' && html`<path class="curve-area" d=${area} />`}
    <path class=${`curve-line ${kind}`} d=${line} />
  `;
}

/** @param {{ height: number }} props */
const Grid = ({ height }) => html`
  ${[0, 1, 2].map((n) => html`<line class="curve-grid" x1=${(width / 3) * n} x2=${(width / 3) * n} y1="0" y2=${height} />`)}
  <line class="curve-base" x1="0" x2=${width} y1=${height - 0.5} y2=${height - 0.5} />
`;

/** @param {{ points: readonly BudgetPoint[] }} props */
function Figures({ points }) {
  const everyMinute = points.filter((_point, at) => (points.length - 1 - at) % 12 === 0).toReversed();
  return html`
    <details class="more">
      <summary>The same as figures</summary>
      <div class="table" role="region" aria-label="Budget in figures" tabindex="0">
        <table>
          <thead><tr><th>At</th><th class="n">Calls a second</th><th class="n">Limit</th>${lanes.map((lane) => html`<th class="n">${laneNames[lane]} waits</th>`)}<th class="n">Refused</th></tr></thead>
          <tbody>
            ${everyMinute.map(
              ({ at, used, callsPerSecond, waiting, refused }) => html`<tr key=${at}>
                <td>${clock(at)}</td><td class="n">${used.toFixed(1)}</td><td class="n">${callsPerSecond.toFixed(1)}</td>
                ${lanes.map((lane) => html`<td class="n">${count(waiting[lane])}</td>`)}<td class="n">${count(refused)}</td>
              </tr>`,
            )}
          </tbody>
        </table>
      </div>
    </details>
  `;
}

/** @param {{ points: readonly BudgetPoint[] }} props */
function Curves({ points }) {
  const limit = points.at(-1)?.callsPerSecond ?? 1;
  const top = roundUp(Math.max(limit, ...points.map(({ used, callsPerSecond }) => Math.max(used, callsPerSecond))));
  const most = roundUp(Math.max(1, ...points.map(waitingOf)));
  const last = points.at(-1);
  const minutes = minutesOf(points);
  const said = `Calls a second in the last ${minutes} minutes: now ${last?.used.toFixed(1)} of ${limit.toFixed(1)}; ${count(last ? waitingOf(last) : 0)} wait.`;
  return html`
    <figure class="curves">
      <figcaption><span>Calls a second</span><span class="scale">${top}</span></figcaption>
      <svg viewBox=${`0 0 ${width} ${usedHeight}`} preserveAspectRatio="none" role="img" aria-label=${said}>
        <${Grid} height=${usedHeight} />
        <${Line} points=${points} value=${(/** @type {BudgetPoint} */ point) => point.callsPerSecond} max=${top} height=${usedHeight} kind="limit" />
        <${Line} points=${points} value=${(/** @type {BudgetPoint} */ point) => point.used} max=${top} height=${usedHeight} kind="used" />
      </svg>
      <figcaption><span>Calls that wait, by lane</span><span class="scale">${count(most)}</span></figcaption>
      <svg viewBox=${`0 0 ${width} ${waitHeight}`} preserveAspectRatio="none" aria-hidden="true">
        <${Grid} height=${waitHeight} />
        ${lanes.map(
          (lane) =>
            html`<${Line} key=${lane} points=${points} value=${(/** @type {BudgetPoint} */ point) => point.waiting[lane]} max=${most} height=${waitHeight} kind=${lane} />`,
        )}
      </svg>
      <div class="axis" aria-hidden="true"><span>${minutes} min ago</span><span>${(minutes / 3) * 2}</span><span>${minutes / 3}</span><span>now</span></div>
    </figure>
  `;
}

/**
 * Shows the rate limit of calls to WATI: the share in use, and the calls that wait.
 * @param {{ points: readonly BudgetPoint[], now: Overview['budget'] }} props
 */
export function BudgetCurve({ points, now }) {
  if (!now) return null;
  const { usedRatio, callsPerSecond, pausedMs, waiting } = now;
  return html`
    <section class="card" aria-labelledby="budget-title">
      <div class="card-head">
        <h2 id="budget-title">Budget of calls</h2>
        <dl class="inline">
          <div><dt>Used</dt><dd>${percent(usedRatio)} of ${callsPerSecond.toFixed(1)}/s</dd></div>
          ${lanes.map(
            (lane) =>
              html`<div><dt><span class=${`key-line ${lane}`} aria-hidden="true"></span>${laneNames[lane]} waits</dt><dd>${count(waiting[lane])}</dd></div>`,
          )}
        </dl>
      </div>
      ${pausedMs > 0 && html`<p class="note" data-tone="warn">No call goes out for another ${Math.ceil(pausedMs / 1000)} s: the other side answered 429.</p>`}
      ${points.length > 1 ? html`<${Curves} points=${points} /><${Figures} points=${points} />` : html`<p class="muted">The curve begins when the first figures are in.</p>`}
    </section>
  `;
}
