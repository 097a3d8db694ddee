/** What a test starts as a process is compiled once for all of them: most of a start is that. */
export const compileCache = { NODE_COMPILE_CACHE: 'node_modules/.cache/wati-bff-tests' };
