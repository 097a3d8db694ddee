import { readFileSync } from 'node:fs';
import { CiliumNetworkPolicy } from '@kubernetes-models/cilium/cilium.io/v2/CiliumNetworkPolicy';
import { ServiceMonitor } from '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/ServiceMonitor';
import { validate as deployment } from 'kubernetes-models/_schemas/IoK8sApiAppsV1Deployment';
import { validate as service } from 'kubernetes-models/_schemas/IoK8sApiCoreV1Service';
import { validate as ingress } from 'kubernetes-models/_schemas/IoK8sApiNetworkingV1Ingress';
import { validate as networkPolicy } from 'kubernetes-models/_schemas/IoK8sApiNetworkingV1NetworkPolicy';
import { validate as podDisruptionBudget } from 'kubernetes-models/_schemas/IoK8sApiPolicyV1PodDisruptionBudget';
import { expect, it } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { EnvSchema } from '../../src/settings/env-schema.ts';

const read = (name: string) => readFileSync(`ops/kubernetes${name}.yaml`, 'utf8');
const text = read('');

/** Their packages hand out no schemas, only classes that throw. */
const takes = (fresh: () => { validate(): void }) => (manifest: object) => {
  try {
    Object.assign(fresh(), manifest).validate();
    return true;
  } catch {
    return false;
  }
};

/** Of the Kubernetes API, by version and kind. */
const schemas = new Map<string, (manifest: object) => boolean>([
  ['apps/v1 Deployment', deployment],
  ['v1 Service', service],
  ['policy/v1 PodDisruptionBudget', podDisruptionBudget],
  ['networking.k8s.io/v1 Ingress', ingress],
  ['networking.k8s.io/v1 NetworkPolicy', networkPolicy],
  ['monitoring.coreos.com/v1 ServiceMonitor', takes(() => new ServiceMonitor())],
  ['cilium.io/v2 CiliumNetworkPolicy', takes(() => new CiliumNetworkPolicy())],
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
function watched<Value>(value: Value, place: string, seen: Set<string>): Value {
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

it.each([
  ['', 6],
  ['-monitoring', 2],
  ['-egress', 1],
])('has manifests in ops/kubernetes%s.yaml that the API would take, and no field that it would drop', (name, count) => {
  expect(faultsOf(read(name))).toEqual([]);
  expect(parseAllDocuments(read(name))).toHaveLength(count);
});

it('lets the probes and Prometheus reach the admin port, which the callers are kept from', () => {
  const [workload, , , , , policy] = parseAllDocuments(text).map((document) => document.toJS());
  const [container] = workload.spec.template.spec.containers;
  for (const probe of ['startupProbe', 'livenessProbe', 'readinessProbe']) {
    expect(container[probe].httpGet.port).toBe('admin');
  }
  const [callers, monitoring] = policy.spec.ingress;
  expect(callers.ports).toEqual([{ protocol: 'TCP', port: 3000 }]);
  expect(monitoring.ports).toEqual([{ protocol: 'TCP', port: 3001 }]);
  const [adminService, monitor] = parseAllDocuments(read('-monitoring')).map((document) => document.toJS());
  expect(adminService.metadata.labels).toMatchObject(monitor.spec.selector.matchLabels);
  expect(adminService.spec.ports[0].name).toBe(monitor.spec.endpoints[0].port);
});

it('leads the internet to the port of webhooks and to nothing else, and callers to none of it', () => {
  const [workload, callers, webhooks, ingressRule, , policy] = parseAllDocuments(text).map((document) =>
    document.toJS(),
  );
  const [container] = workload.spec.template.spec.containers;
  const portOf = (name: string) => container.ports.find((port: { name: string }) => port.name === name)?.containerPort;
  expect([callers, webhooks].map(({ spec }) => portOf(spec.ports[0].targetPort))).toEqual([3000, 3002]);
  expect(container.env).toContainEqual({ name: 'INTAKE_PORT', value: '3002' });
  const [{ host, http }] = ingressRule.spec.rules;
  expect(ingressRule.spec.tls[0].hosts).toEqual([host]);
  expect(http.paths).toEqual([
    {
      path: '/wati',
      pathType: 'Prefix',
      backend: { service: { name: webhooks.metadata.name, port: { name: webhooks.spec.ports[0].name } } },
    },
  ]);
  expect(ingressRule.metadata.annotations).toMatchObject({
    'nginx.ingress.kubernetes.io/enable-access-log': 'false',
    'nginx.ingress.kubernetes.io/proxy-body-size': '1m',
  });
  expect(policy.spec.ingress[2].ports).toEqual([{ protocol: 'TCP', port: 3002 }]);
});

it('lets webhooks out to the callers on the port that WEBHOOK_ALLOWED_HOSTS names', () => {
  const [workload, , , , , policy] = parseAllDocuments(text).map((document) => document.toJS());
  const [container] = workload.spec.template.spec.containers;
  const hosts = container.env.find(({ name }: { name: string }) => name === 'WEBHOOK_ALLOWED_HOSTS').value;
  expect(policy.spec.egress).toContainEqual({
    to: [{ namespaceSelector: { matchLabels: { 'wati-bff-caller': 'true' } } }],
    ports: [{ protocol: 'TCP', port: Number(hosts.split(':').at(-1)) }],
  });
});

it.each([
  ['replicas: 3', 'replicas: three'],
  ['pathType: Prefix', 'pathtype: Prefix'],
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
  const named = [
    ...['ops/kubernetes.yaml', 'compose.yaml', 'compose.scale.yaml'].map(
      (file) => [file, 'MATON_API_KEY_FILE'] as const,
    ),
    ['compose.webhooks.yaml', 'INTAKE_TOKENS_FILE'],
    ['compose.events.yaml', 'WEBHOOK_ALLOWED_HOSTS'],
  ] as const;
  for (const [file, expected] of named) {
    const text = readFileSync(file, 'utf8');
    const settings = text.match(/\b(MATON|CLIENTS|STORE|ADMIN|INTAKE|EVENTS?|WEBHOOK)_\w+\b(?=:|, value)/g) ?? [];
    expect(settings.filter((name) => !known.includes(name))).toEqual([]);
    expect(settings).toContain(expected);
  }
});

it('runs one replica of three with the same rights and limits as the one instance, on images of one version', () => {
  const one = parse(readFileSync('compose.yaml', 'utf8')).services['wati-bff'];
  const { services } = parse(readFileSync('compose.scale.yaml', 'utf8'));
  const many = services['wati-bff'];
  for (const name of [
    'read_only',
    'cap_drop',
    'security_opt',
    'mem_limit',
    'pids_limit',
    'ulimits',
    'stop_grace_period',
  ]) {
    expect(many[name]).toEqual(one[name]);
    expect(many[name]).toBeDefined();
  }
  for (const name of ['postgres', 'balancer']) expect(services[name].image).toMatch(/^\w+:\d+\.\d+(\.\d+)?(-\w+)?$/);
});
