/** examples/kubernetes fits the gateway, and its parts fit one another. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { loadConfig, SETTINGS } from '../../src/config/settings.js';
import { DESCRIPTION } from '../openapi/described.js';

const FOLDER = 'examples/kubernetes';

type Labels = Readonly<Record<string, string>>;
interface Probe {
  readonly httpGet: { readonly path: string; readonly port: string };
}
interface Container {
  readonly image: string;
  readonly ports: readonly { readonly name: string; readonly containerPort: number }[];
  readonly env: readonly { readonly name: string; readonly value?: string; readonly valueFrom?: object }[];
  readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string }[];
  readonly startupProbe: Probe;
  readonly livenessProbe: Probe;
  readonly readinessProbe: Probe;
  readonly lifecycle: { readonly preStop: { readonly exec: { readonly command: readonly string[] } } };
}
interface Deployment {
  readonly spec: {
    readonly selector: { readonly matchLabels: Labels };
    readonly template: {
      readonly metadata: { readonly labels: Labels };
      readonly spec: {
        readonly terminationGracePeriodSeconds: number;
        readonly containers: readonly Container[];
        readonly volumes: readonly { readonly name: string }[];
      };
    };
  };
}

const read = <Kind>(name: string) => parse(readFileSync(join(FOLDER, name), 'utf8')) as Kind;

const { spec: deployment } = read<Deployment>('deployment.yaml');
const { spec: pod, metadata } = deployment.template;
const [container] = pod.containers;
const { env, ports } = container!;

test('all files are put together, with the image of the deployment', () => {
  const { resources, images } = read<{ resources: string[]; images: { name: string }[] }>(
    'kustomization.yaml',
  );
  expect(resources).toEqual(['deployment.yaml', 'service.yaml', 'pod-disruption-budget.yaml']);
  expect(images.map(({ name }) => name)).toEqual([container!.image]);
});

describe('the settings', () => {
  test('are those of the gateway, besides what an address is made of', () => {
    const others = env.filter(({ name }) => !(name in SETTINGS)).map(({ name }) => name);
    expect(others).toEqual(['REDIS_PASSWORD']);
    expect(env.find(({ name }) => name === 'REDIS_URL')!.value).toContain('$(REDIS_PASSWORD)');
    // Kubernetes replaces only what comes before.
    expect(env.map(({ name }) => name).indexOf('REDIS_PASSWORD')).toBeLessThan(
      env.map(({ name }) => name).indexOf('REDIS_URL'),
    );
  });

  test('are accepted', () => {
    const given = env.map(({ name, value }) => [name, value?.replace('$(REDIS_PASSWORD)', 'p%40ss')]);
    const config = loadConfig(Object.fromEntries(given));
    expect(config.REDIS_URL).toMatch(/^redis\+cluster:\/\//);
    expect(config.READER_THREADS).toBe(1);
  });

  test('name a file of a volume that is mounted', () => {
    const { name, mountPath } = container!.volumeMounts[0]!;
    expect(env.find((one) => one.name === 'ACCESS_TOKENS_FILE')!.value).toBe(`${mountPath}/tokens.json`);
    expect(pod.volumes.map((volume) => volume.name)).toContain(name);
  });
});

test('the image listens on the port that is named', () => {
  const [, port] = /^ENV .*PORT=(\d+)/m.exec(readFileSync('Dockerfile', 'utf8'))!;
  expect(ports).toEqual([{ name: 'http', containerPort: Number(port) }]);
});

test('the probes ask addresses of the gateway', () => {
  const { startupProbe, livenessProbe, readinessProbe } = container!;
  const paths = [startupProbe, livenessProbe, readinessProbe].map(({ httpGet }) => httpGet.path);
  expect(paths).toEqual(['/healthz', '/healthz', '/readyz']);
  expect(Object.keys(DESCRIPTION.paths)).toEqual(expect.arrayContaining(paths));
  expect(livenessProbe.httpGet.port).toBe(ports[0]!.name);
});

test('the service and the budget are for the gateways', () => {
  const service = read<{ spec: { selector: Labels; ports: { targetPort: string }[] } }>('service.yaml');
  const budget = read<{ spec: { selector: { matchLabels: Labels } } }>('pod-disruption-budget.yaml');
  for (const labels of [deployment.selector.matchLabels, budget.spec.selector.matchLabels])
    expect(labels).toEqual(metadata.labels);
  expect(service.spec.selector).toEqual(metadata.labels);
  expect(service.spec.ports.map(({ targetPort }) => targetPort)).toEqual([ports[0]!.name]);
});

test('a gateway that is stopped has time to finish its work', () => {
  const wait = Number(container!.lifecycle.preStop.exec.command[1]);
  const { value } = env.find(({ name }) => name === 'SHUTDOWN_GRACE_MS')!;
  expect(pod.terminationGracePeriodSeconds).toBeGreaterThan(wait + Number(value) / 1000);
});
