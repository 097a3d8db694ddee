import { Frame } from './frame.js';
import { useEffect, useRef, useState } from './hooks.js';
import { html } from './html.js';
import { KeyForm } from './key-form.js';
import { watchLive } from './live.js';
import { render } from './preact.js';
import { place } from './router.js';
import { sections } from './sections.js';
import { isOpen, watchIdle } from './session.js';
import { useStore } from './store.js';
import { ErrorNote, Loading } from './ui.js';

/** @import { SectionEntry } from './sections.js' */

/** Loads the module of a section and shows it. If loading fails, a button retries it. */
/** @param {{ entry: SectionEntry, argument: string | undefined }} props */
function LoadedSection({ entry, argument }) {
  const [state, setState] = useState(
    /** @type {{ Section?: Awaited<ReturnType<SectionEntry['load']>>['Section'], error?: Error }} */ ({}),
  );
  const load = () => {
    setState({});
    entry.load().then(
      ({ Section }) => setState({ Section }),
      (error) => setState({ error }),
    );
  };
  useEffect(load, [entry]);
  const { Section, error } = state;
  if (error) return html`<${ErrorNote} error=${error} retry=${load} />`;
  return Section ? html`<${Section} argument=${argument} />` : html`<${Loading} />`;
}

function Place() {
  const { path, argument } = useStore(place);
  const entry = sections.find((each) => each.path === path);
  const heading = useRef(/** @type {HTMLHeadingElement | null} */ (null));
  const name = entry?.name ?? 'Not found';
  useEffect(() => {
    document.title = `${name} · Console · wati-bff`;
    // Keyboards and screen readers continue at the new page, not in the menu of the old one.
    heading.current?.focus();
  }, [path, argument]);
  return html`
    <h1 ref=${heading} tabindex="-1">${name}</h1>
    ${
      entry
        ? html`<${LoadedSection} key=${path} entry=${entry} argument=${argument} />`
        : html`<p>There is no such part of the console. <a href="#/overview">Overview</a></p>`
    }
  `;
}

function App() {
  return useStore(isOpen) ? html`<${Frame}><${Place} /></${Frame}>` : html`<${KeyForm} />`;
}

watchIdle();
watchLive();
const root = document.getElementById('app');
if (root) {
  root.replaceChildren();
  render(html`<${App} />`, root);
}
