/** What is read of package-lock.json (version 3): one entry for each folder of node_modules. */
export interface Lock {
  packages: Record<string, Locked>;
}

interface Locked {
  devDependencies?: Record<string, string>;
  version?: string;
  integrity?: string;
  license?: string;
  dev?: boolean;
  optional?: boolean;
  hasInstallScript?: boolean;
  os?: string[];
  cpu?: string[];
}

export interface Manifest {
  dependencies: Record<string, string>;
  devDependencies?: Record<string, string>;
}

/** The oldest versions of a package without the advisory, one for each major line that has a fix. */
export interface Floor {
  name: string;
  floors: string[];
  advisory: string;
}

export interface Bom {
  bomFormat: string;
  components: { purl: string }[];
}

/** Anything else is refused until somebody has read it: copyleft, "see file", and none at all. */
const licences = ['0BSD', 'Apache-2.0', 'BSD-2-Clause', 'BSD-3-Clause', 'BlueOak-1.0.0', 'ISC', 'MIT', 'Unlicense'];

const exact = /^\d+\.\d+\.\d+$/;

interface Package extends Locked {
  name: string;
  version: string;
}

function packagesOf(lock: Lock): Package[] {
  return Object.entries(lock.packages)
    .filter(([path]) => path !== '')
    .map(([path, locked]) => ({
      ...locked,
      name: path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length),
      version: locked.version ?? '',
    }));
}

/** The packages of the image: all that are not for development alone. */
const inProduction = (lock: Lock): Package[] => packagesOf(lock).filter(({ dev }) => dev !== true);

/** The same service, as if it had never had tools for development. */
export function productionOnly(manifest: Manifest, lock: Lock): { manifest: Manifest; lock: Lock } {
  const { devDependencies, ...rest } = manifest;
  const kept = Object.entries(lock.packages).filter(([, { dev }]) => dev !== true);
  const packages = Object.fromEntries(kept);
  packages[''] = { ...packages[''], devDependencies: {} };
  return { manifest: rest, lock: { ...lock, packages } };
}

/** Every dependency is one version, and the lockfile knows its bytes. */
export function lockFaults(manifest: Manifest, lock: Lock): string[] {
  const wanted = { ...manifest.dependencies, ...manifest.devDependencies };
  const loose = Object.entries(wanted)
    .filter(([, version]) => !exact.test(version))
    .map(([name, version]) => `${name} is asked for as ${version}, which is not one version`);
  const unknown = packagesOf(lock)
    .filter((found) => !found.integrity?.startsWith('sha512-'))
    .map(({ name }) => `${name} has no sha512 integrity in package-lock.json`);
  return [...loose, ...unknown];
}

export function installScriptFaults(lock: Lock): string[] {
  return inProduction(lock)
    .filter(({ hasInstallScript }) => hasInstallScript === true)
    .map(({ name }) => `${name} runs a script when it is installed, and is in production`);
}

export function licenceFaults(lock: Lock): string[] {
  return inProduction(lock)
    .filter(({ license }) => license === undefined || !licences.includes(license))
    .map(({ name, version, license }) => `${name} ${version} is under ${license ?? 'no licence'}`);
}

/** docs/licences.md */
export function licenceList(lock: Lock): string {
  const rows = new Set(
    inProduction(lock).map(({ name, version, license }) => `| ${name} | ${version} | ${license ?? 'none'} |`),
  );
  const lines = [
    '# Licences',
    '',
    'Every package that is in the image, from package-lock.json; written by `npm run supply -- --write`. Refused by',
    `\`.ci/supply\` is anything but ${licences.join(', ')}.`,
    '',
    '| package | version | licence |',
    '|---|---|---|',
    ...[...rows].sort(),
  ];
  return `${lines.join('\n')}\n`;
}

/** The bill of materials names every package of the image, and nothing that is not in it. */
export function bomFaults(bom: Bom, lock: Lock): string[] {
  if (bom.bomFormat !== 'CycloneDX') return ['the bill of materials is not CycloneDX'];
  const purls = inProduction(lock).map(({ name, version }) => `pkg:npm/${name.replace('@', '%40')}@${version}`);
  const expected = new Set(purls);
  const named = new Set(bom.components.map(({ purl }) => purl));
  return [
    ...[...expected.difference(named)].map((purl) => `the bill of materials lacks ${purl}`),
    ...[...named.difference(expected)].map((purl) => `the bill of materials has ${purl}, which is not in production`),
  ];
}

/** Development too: what builds and tests the service could change it. */
export function floorFaults(floors: readonly Floor[], lock: Lock): string[] {
  const packages = packagesOf(lock);
  return floors.flatMap(({ name, floors: versions, advisory }) => {
    const found = packages.filter((candidate) => candidate.name === name);
    if (found.length === 0) return [`${name} is not in package-lock.json any more: remove its floor`];
    return found
      .filter(({ version }) => isBelow(version, versions))
      .map(({ version }) => `${name} ${version} is below ${versions.join(' and ')}: ${advisory}`);
  });
}

const byVersion = new Intl.Collator('en', { numeric: true }).compare;

/** Measured at the floor of its own major line, or of the last one before it: later lines began with the fix. */
function isBelow(version: string, floors: readonly string[]): boolean {
  const floor = floors
    .toSorted(byVersion)
    .findLast((each) => Number.parseInt(each, 10) <= Number.parseInt(version, 10));
  return floor === undefined || !exact.test(version) || byVersion(version, floor) < 0;
}
