import { callJson } from './api.js';
import { useCallback, useEffect, useState } from './hooks.js';

/** @import { Query } from './api.js' */

/**
 * @template Data
 * @typedef {{ data: Data | undefined, error: Error | undefined, loading: boolean, reload: () => void }} Loaded
 */

/**
 * Reads from the service, and again when `path` or `query` changes. The previous data stays while it is read again.
 * @template Data
 * @param {string | undefined} path nothing is read while it is undefined
 * @param {Query} [query]
 * @returns {Loaded<Data>}
 */
export function useLoad(path, query) {
  const asked = path === undefined ? '' : path + JSON.stringify(query ?? {});
  const [state, setState] = useState(
    /** @type {{ asked: string, data?: Data, error?: Error, loading: boolean }} */ ({ asked, loading: true }),
  );
  const [turn, setTurn] = useState(0);
  // `asked` stands for `query`, which is a new object in each render.
  useEffect(() => {
    if (path === undefined) return undefined;
    const stop = new AbortController();
    setState((before) => (before.asked === asked ? { ...before, loading: true } : { asked, loading: true }));
    callJson(path, { ...(query && { query }), signal: stop.signal }).then(
      (data) => !stop.signal.aborted && setState({ asked, data: /** @type {Data} */ (data), loading: false }),
      (error) => !stop.signal.aborted && setState({ asked, error, loading: false }),
    );
    return () => stop.abort();
  }, [asked, turn]);
  const reload = useCallback(() => setTurn((before) => before + 1), []);
  const { data, error, loading } = state.asked === asked ? state : { loading: true };
  return { data, error, loading: loading && path !== undefined, reload };
}

const followMs = 5_000;

/**
 * Reloads periodically while the data may still change and the page is visible.
 * @param {boolean} moves
 * @param {() => void} reload
 */
export function useFollow(moves, reload) {
  useEffect(() => {
    if (!moves) return undefined;
    const timer = setInterval(() => document.visibilityState === 'visible' && reload(), followMs);
    return () => clearInterval(timer);
  }, [moves, reload]);
}

/**
 * @template Row
 * @typedef {{
 *   rows: Row[],
 *   error: Error | undefined,
 *   loading: boolean,
 *   number: number,
 *   older: (() => void) | undefined,
 *   newer: (() => void) | undefined,
 *   reload: () => void,
 * }} Paged
 */

/**
 * Reads one page of a list at a time by the cursors of the service, so the length of the list does not matter.
 * @template Row
 * @param {string | undefined} path
 * @param {Query} [query]
 * @returns {Paged<Row>}
 */
export function usePages(path, query = {}) {
  const asked = path + JSON.stringify(query);
  const [cursors, setCursors] = useState({ asked, passed: /** @type {string[]} */ ([]) });
  const passed = cursors.asked === asked ? cursors.passed : [];
  /** @type {Loaded<{ data: Row[], nextCursor?: string }>} */
  const { data, error, loading, reload } = useLoad(path, { ...query, cursor: passed.at(-1) });
  const next = data?.nextCursor;
  return {
    rows: data?.data ?? [],
    error,
    loading,
    number: passed.length + 1,
    older: next === undefined ? undefined : () => setCursors({ asked, passed: [...passed, next] }),
    newer: passed.length === 0 ? undefined : () => setCursors({ asked, passed: passed.slice(0, -1) }),
    reload,
  };
}
