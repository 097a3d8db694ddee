import methods from 'undici/lib/api/index.js';
import buildConnector from 'undici/lib/core/connect.js';
import Agent from 'undici/lib/dispatcher/agent.js';
import Dispatcher from 'undici/lib/dispatcher/dispatcher.js';
import Pool from 'undici/lib/dispatcher/pool.js';

/*
 * The parts of undici that make calls. Its index also loads fetch, WebSockets, caches and mocks, which cost 50 ms and 5 MB at the
 * start. Like the index, this gives dispatchers their methods (`request`).
 */
Object.assign(Dispatcher.prototype, methods);

export { Agent, buildConnector, Pool };
