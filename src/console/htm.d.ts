// The service serves the file of the package under this name (plugins/pages.ts).
import type htm from 'htm';

declare const tag: typeof htm.default;
export default tag;
