/** Types of the files of undici that src/lib/undici.ts loads. */
declare module 'undici/lib/dispatcher/dispatcher.js' {
  import type { Dispatcher } from 'undici';

  const dispatcher: { prototype: Dispatcher };
  export default dispatcher;
}

declare module 'undici/lib/api/index.js' {
  const methods: Readonly<Record<string, unknown>>;
  export default methods;
}

declare module 'undici/lib/dispatcher/pool.js' {
  export { Pool as default } from 'undici';
}

declare module 'undici/lib/dispatcher/agent.js' {
  export { Agent as default } from 'undici';
}

declare module 'undici/lib/core/connect.js' {
  export { buildConnector as default } from 'undici';
}
