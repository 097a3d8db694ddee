import { readFileSync } from 'node:fs';
import { validate as deployment } from 'kubernetes-models/_schemas/IoK8sApiAppsV1Deployment';
import { validate as service } from 'kubernetes-models/_schemas/IoK8sApiCoreV1Service';
import { validate as networkPolicy } from 'kubernetes-models/_schemas/IoK8sApiNetworkingV1NetworkPolicy';
import { validate as podDisruptionBudget } from 'kubernetes-models/_schemas/IoK8sApiPolicyV1PodDisruptionBudget';
import { expect, it } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { EnvSchema } from '../../src/config.ts';

const text = readFileSync('ops/kubernetes.yaml', 'utf8');

/** Of the Kubernetes API, by version and kind. */
const schemas = new Map([
  ['apps/v1 Deployment', deployment],
  ['v1 Service', service],
  ['policy/v1 PodDisruptionBudget', podDisruptionBudget],
  ['networking.k8s.io/v1 NetworkPolicy', networkPolicy],
]);

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;

/** The manifests of a text against their schemas: every fault with its place. */
function faultsOf(manifests: string): string[] {
  return parseAllDocuments(manifests).flatMap((document) => {
    const manifest: unknown = document.toJS();
    if (document.errors.length > 0 || !isObject(manifest)) return ['/ is no manifest'];
    const kind = `${manifest.apiVersion} ${manifest.kind}`;
    const validate = schemas.get(kind);
    if (validate === undefined) return [`/ is of no known kind: ${kind}`];
    const seen = new Set<string>();
    if (!validate(watched(manifest, '', seen))) return [`${kind} ${JSON.stringify(Reflect.get(validate, 'errors'))}`];
    return places(manifest, '')
      .filter((place) => !seen.has(place))
      .map((place) => `${kind} ${place} is not in the schema`);
  });
}

/** The schemas let pass what they do not know, as the API drops it: what they never look at is a mistake of ours. */
function watched(value: unknown, place: string, seen: Set<string>): unknown {
  if (!isObject(value)) return value;
  return new Proxy(value, {
    get: (target, key) => {
      const inner = `${place}/${String(key)}`;
      seen.add(inner);
      return watched(Reflect.get(target, key), inner, seen);
    },
  });
}

function places(value: unknown, place: string): string[] {
  if (!isObject(value)) return [];
  return Object.entries(value).flatMap(([key, inner]) => [`${place}/${key}`, ...places(inner, `${place}/${key}`)]);
}

it('has manifests that the Kubernetes API would take, and no field that it would drop', () => {
  expect(faultsOf(text)).toEqual([]);
  expect(parseAllDocuments(text)).toHaveLength(schemas.size);
});

it.each([
  ['replicas: 3', 'replicas: three'],
  ['apiVersion: apps/v1', 'apiVersion: apps/v2'],
  ['readinessProbe:', 'readynessProbe:'],
  ['readOnlyRootFilesystem: true', 'readOnlyFilesystem: true'],
  ['minAvailable: 2', 'minAvailable: [2]'],
  ['terminationGracePeriodSeconds: 30', 'terminationGracePeriodSeconds: 30s'],
  ['port: 5432', 'port: { number: 5432 }'],
  ['  selector:\n    matchLabels: { app', '  selectors:\n    matchLabels: { app'],
])('would notice %s turned into %s', (right, wrong) => {
  expect(text).toContain(right);
  expect(faultsOf(text.replace(right, wrong))).not.toEqual([]);
});

it('sets nothing that the service does not know', () => {
  const known = Object.keys(EnvSchema.properties);
  for (const file of ['ops/kubernetes.yaml', 'compose.yaml', 'compose.scale.yaml']) {
    const settings = readFileSync(file, 'utf8').match(/\b(MATON|CLIENTS|STORE)_\w+\b(?=:|, value)/g) ?? [];
    expect(settings.filter((name) => !known.includes(name))).toEqual([]);
    expect(settings).toContain('MATON_API_KEY_FILE');
  }
});

it('runs one replica of three with the same rights and limits as the one instance, on images of one version', () => {
  const one = parse(readFileSync('compose.yaml', 'utf8')).services['wati-bff'];
  const { services } = parse(readFileSync('compose.scale.yaml', 'utf8'));
  const many = services['wati-bff'];
  for (const name of ['read_only', 'cap_drop', 'security_opt', 'mem_limit', 'stop_grace_period', 'restart']) {
    expect(many[name]).toEqual(one[name]);
    expect(many[name]).toBeDefined();
  }
  for (const name of ['postgres', 'balancer']) expect(services[name].image).toMatch(/^\w+:\d+\.\d+(\.\d+)?(-\w+)?$/);
});
