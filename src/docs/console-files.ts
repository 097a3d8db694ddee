import { hash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, extname, join } from 'node:path';

/** A file in the form in which it is sent. */
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

/** Beside the sources, and copied beside the compiled files by the build. */
const folder = join(import.meta.dirname, '..', 'console');

/** What `/` needs without the console. */
const ofHome = ['base.css', 'home.css', 'home.js', 'readiness.js', 'icon.svg'];

/** The phone is of the sandbox alone. */
const ofSandbox = /^phone\b/;

/** The files of `/` and `/console` by their names. */
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

/** The modules of packages, under names that a browser can resolve. */
const packageFiles = (): [string, Asset][] =>
  Object.entries({
    'preact.js': require.resolve('preact'),
    'hooks.js': require.resolve('preact/hooks'),
    'htm.js': join(dirname(require.resolve('htm')), 'htm.module.js'),
  }).map(([name, path]) => {
    const text = readFileSync(path, 'utf8')
      .replace(/from\s*"preact"/, 'from"./preact.js"')
      // The map is not served.
      .replace(/\n\/\/# sourceMappingURL=.*\s*$/, '\n');
    return [name, assetOf('.js', text)];
  });

/** The page of the console, with these facts in the places that name them. */
export const consolePage = (facts: Readonly<Record<string, string>>): string =>
  readFileSync(join(folder, 'index.html'), 'utf8').replace(
    /\{\{(\w+)\}\}/g,
    (_whole, name: string) => facts[name] ?? '',
  );
