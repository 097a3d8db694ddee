import { hash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, extname, join } from 'node:path';

/** A file as it is served. */
export interface Asset {
  readonly type: string;
  readonly body: Buffer;
  readonly etag: string;
}

const types: Readonly<Record<string, string>> = {
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.html': 'text/html; charset=utf-8',
};

export const assetOf = (extension: string, body: string | Buffer): Asset => ({
  type: types[extension] ?? 'application/octet-stream',
  body: Buffer.from(body),
  etag: `"${hash('sha256', body, 'base64url').slice(0, 22)}"`,
});

/** The folder of the sources; the build copies it beside the compiled files. */
const folder = join(import.meta.dirname, '..', 'console');

/** The files that `/` needs when the console is off. */
const ofHome = ['base.css', 'home.css', 'home.js', 'readiness.js', 'icon.svg'];

/** Only the sandbox has a phone. */
const ofSandbox = /^phone\b/;

/** Reads the files of `/` and `/console`, by name. */
export function readAssets({
  withConsole,
  isSandbox,
}: {
  withConsole: boolean;
  isSandbox: boolean;
}): ReadonlyMap<string, Asset> {
  const names = readdirSync(folder).filter((name) => /\.(js|css|svg)$/.test(name));
  const known = names.filter((name) => isSandbox || !ofSandbox.test(name));
  const own = known.filter((name) => withConsole || ofHome.includes(name));
  const files = own.map((name) => [name, assetOf(extname(name), readFileSync(join(folder, name)))] as const);
  return new Map([...files, ...(withConsole ? packageFiles() : [])]);
}

const require = createRequire(import.meta.url);

/** Modules of npm packages, under names that a browser can resolve. */
const packageFiles = (): [string, Asset][] =>
  Object.entries({
    'preact.js': require.resolve('preact'),
    'hooks.js': require.resolve('preact/hooks'),
    'htm.js': join(dirname(require.resolve('htm')), 'htm.module.js'),
  }).map(([name, path]) => {
    const text = readFileSync(path, 'utf8')
      .replace(/from\s*"preact"/, 'from"./preact.js"')
      // Source maps are not served.
      .replace(/\n\/\/# sourceMappingURL=.*\s*$/, '\n');
    return [name, assetOf('.js', text)];
  });

/** Returns the page of the console, with its placeholders replaced by these facts. */
export const consolePage = (facts: Readonly<Record<string, string>>): string =>
  readFileSync(join(folder, 'index.html'), 'utf8').replace(
    /\{\{(\w+)\}\}/g,
    (_whole, name: string) => facts[name] ?? '',
  );
