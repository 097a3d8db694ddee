import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { podman } from './podman.ts';

const manifest: { version: string; dependencies: object; devDependencies: object } = JSON.parse(
  readFileSync('package.json', 'utf8'),
);

const lock: { packages: Record<string, { dev?: boolean } | undefined> } = JSON.parse(
  readFileSync('package-lock.json', 'utf8'),
);

const inside = (script: string) => podman('run', '--rm', '--entrypoint', 'node', 'wati-bff', '-p', script);

it('says what it is, who it runs as, what it starts and how its health is asked', async () => {
  const [image] = JSON.parse(await podman('image', 'inspect', 'wati-bff'));
  expect(image.Labels).toMatchObject({
    'org.opencontainers.image.title': 'wati-bff',
    'org.opencontainers.image.description': expect.stringContaining('WATI'),
    'org.opencontainers.image.version': manifest.version,
  });
  expect(image.Config).toMatchObject({
    User: '1000:1000',
    Entrypoint: [
      'node',
      '--disable-sigusr1',
      '--max-semi-space-size=8',
      '--heap-growing-percent=50',
      '--initial-old-space-size=48',
      '--expose-gc',
      'dist/src/bin/wati-bff.js',
    ],
    Cmd: ['serve'],
    Volumes: { '/data': {} },
    ExposedPorts: { '3000/tcp': {} },
  });
  expect(image.HealthCheck ?? image.Healthcheck ?? image.Config.Healthcheck).toMatchObject({
    Test: ['CMD', 'node', 'dist/src/bin/healthcheck.js'],
  });
});

it('runs the Node that everything was tested on', async () => {
  expect(await inside('process.version')).toBe(process.version);
});

it('holds the compiled service, its guides and what it needs, and nothing that is only for development', async () => {
  const listed = await inside(
    `JSON.stringify([fs.readdirSync('.'), fs.readdirSync('dist')].map((names) => names.sort()))`,
  );
  expect(JSON.parse(listed)).toEqual([
    ['README.md', 'dist', 'docs', 'node_modules', 'package.json'],
    ['plugins', 'routes', 'src'],
  ]);
  const there = (names: readonly string[]) =>
    inside(`JSON.stringify(${JSON.stringify(names)}.filter((name) => fs.existsSync('node_modules/' + name)))`);
  // One that we name for development may also be what a dependency needs: the lock knows.
  const development = Object.keys(manifest.devDependencies).filter(
    (name) => lock.packages[`node_modules/${name}`]?.dev,
  );
  expect(development.length).toBeGreaterThan(5);
  expect(JSON.parse(await there(development))).toEqual([]);
  expect(JSON.parse(await there(Object.keys(manifest.dependencies)))).toEqual(Object.keys(manifest.dependencies));
});

it('keeps nothing of the machine that built it, and no setting that could be a secret', async () => {
  const lent = ['/usr/local/etc/npmrc', '/etc/npm-cafile', '/npm-cache', '/root/.npm', '/root/.npmrc', '/app/.npmrc'];
  expect(await inside(`JSON.stringify(${JSON.stringify(lent)}.filter((path) => fs.existsSync(path)))`)).toBe('[]');
  const [image] = JSON.parse(await podman('image', 'inspect', 'wati-bff'));
  const names = image.Config.Env.map((line: string) => line.split('=')[0]);
  expect(names.filter((name: string) => /key|token|secret|password|npm/i.test(name))).toEqual([]);
  expect(await podman('history', '--no-trunc', 'wati-bff')).not.toMatch(/npmrc|registry|cafile/);
});
