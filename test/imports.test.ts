import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, it } from 'vitest';

interface Import {
  file: string;
  /** A path from the root of the package, or the name of one. */
  target: string;
  typeOnly: boolean;
}

const files = ['src', 'routes', 'plugins'].flatMap((folder) =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => join(folder, name)),
);
const text = (file: string) => readFileSync(file, 'utf8');

const imports: Import[] = files.flatMap((file) =>
  [
    ...text(file).matchAll(
      /^(?:import|export)\s+(type\s+)?((?:\w+,\s*)?(?:\{[^}]*\}|\*(?:\s+as\s+\w+)?|\w+))\s+from\s+'([^']+)'/gm,
    ),
  ].map(([, type, names = '', from = '']) => {
    const inner =
      /\{([^}]*)\}/
        .exec(names)?.[1]
        ?.split(',')
        .map((name) => name.trim())
        .filter(Boolean) ?? [];
    const typeOnly = type !== undefined || (inner.length > 0 && inner.every((name) => name.startsWith('type ')));
    return { file, target: from.startsWith('.') ? join(dirname(file), from) : from, typeOnly };
  }),
);

const isOurs = (target: string) => /^(src|routes|plugins)\//.test(target);

/** Who may import whom (ARCHITECTURE.md), as the code now keeps it. Values; a type may come from wherever is named in `types`. */
const rules: { of: RegExp; values: RegExp; types: RegExp; packages: RegExp }[] = [
  {
    // Beside schemas and problems: what plugins offer (callerOf, masked), who the caller is, and pure functions of
    // upstream (tolerant-reader, success-flags, client's problems, templates' fill, the size of a call) delivery (send-content, content-validation, outcome, idempotency) and templates (template-validation).
    of: /^routes\//,
    values:
      /^(routes\/(context|answer|idempotency-scope|header-lists|since|media|broadcasts|page|conversation-rows|write-once|operator-[\w-]+)|plugins\/(auth|access-log|listed-connection|recipients|request-bodies|until-answered)|src\/pools\/refusal|src\/(problem|problem-types|callers|once-per|audit|sending-rules|native-paths|patterns|content-disposition|html)|src\/operator\/[\w-]+|src\/store\/errors|src\/upload\/(uploads|detached)|src\/csv\/csv-check|src\/recipients\/recipient|src\/schemas\/\w[\w-]*|src\/upstream\/(tolerant-reader|classify-response|client|templates|send-requests|row-[\w-]+|stored-file|answers\/(fields|success-flags|reason))|src\/store-problems|src\/delivery\/(send-content|content-validation|outcome|idempotency)|src\/broadcasts\/(broadcast-service|progress-events)|src\/templates\/template-(validation|text))\.ts$/,
    types:
      /^(routes|plugins|src\/(schemas|upstream|delivery|broadcasts|templates|connections|holds|store|upload|rate-limit|operator|pools|recipients))\/|^src\/(config|readiness|callers)\.ts$/,
    packages:
      /^(fastify|typebox|@fastify\/(type-provider-typebox|multipart)|@prometheus-io\/client|node:(crypto|stream|stream\/\w+|events))$/,
  },
  {
    of: /^plugins\//,
    values:
      /^(plugins\/.*|src\/(problem|problem-types|schema-words|did-you-mean|html|callers|callers\/addresses|once-per|patterns|text|media-path|https-address)|src\/recipients\/recipient|src\/schemas\/(problem|words|example-answers\.json)|src\/rate-limit\/(gcra|caller-limiter)|src\/holds\/sending-stop|src\/store-problems|src\/pools\/(pools|refusal))(\.ts)?$/,
    types:
      /^(plugins|src\/(upstream|holds|connections|schemas|rate-limit|tracing|store|pools|recipients))\/|^src\/(callers|problem|problem-types|config|readiness)\.ts$/,
    packages: /^(fastify|fastify-plugin|ajv|@fastify\/[\w-]+|@prometheus-io\/client|node:[\w/]+)$/,
  },
  // A share of something knows neither what it is nor who has it.
  {
    of: /^src\/pools\//,
    values: /^src\/(pools\/[\w-]+|problem)\.ts$/,
    types: /^src\/(pools\/|problem)/,
    packages: /^$/,
  },
  {
    of: /^src\/callers\//,
    values: /^src\/(callers|did-you-mean|recipients\/countries|callers\/[\w-]+)\.ts$/,
    types: /^src\/callers\.ts$/,
    packages: /^(ajv|typebox|ipaddr\.js|node:[\w/]+)$/,
  },
  {
    of: /^src\/schemas\//,
    values: /^src\/(schemas\/|(callers|problem-types)\.ts$)/,
    types: /^src\/schemas\//,
    packages: /^typebox$/,
  },
  {
    of: /^src\/upstream\//,
    values:
      /^src\/(upstream\/(answers\/)?[\w-]+|keys\/[\w-]+|pools\/[\w-]+|problem|once-per|patterns|error-code|loopback|media-path|pauses|rate-limit\/types)\.ts$/,
    types: /^src\/(upstream\/[\w-]+|rate-limit\/types|keys\/[\w-]+|config|problem)\.ts$/,
    packages: /^(undici|node:[\w/]+)$/,
  },
  // Foreign text comes in, and a yes or no goes out.
  { of: /^src\/keys\//, values: /^src\/keys\//, types: /^src\/keys\//, packages: /^node:buffer$/ },
  {
    of: /^src\/delivery\//,
    values:
      /^src\/(delivery|templates|upstream|pools|holds)\/|^src\/(problem|pauses|sleep|store-problems|recipients\/recipient|schemas\/words|store\/errors)\.ts$/,
    types:
      /^src\/(delivery|templates|upstream|rate-limit|schemas|store|pools|holds)\/|^src\/(config|problem|problem-types)\.ts$/,
    packages: /^node:[\w/]+$/,
  },
  {
    of: /^src\/broadcasts\//,
    values:
      /^src\/(broadcasts|delivery|upstream|holds)\/|^src\/(problem|pauses|sleep|store-problems|store\/(errors|quota-store))\.ts$/,
    types: /^src\/(broadcasts|delivery|upstream|schemas|store|holds)\//,
    packages: /^$/,
  },
  {
    of: /^src\/templates\//,
    values: /^src\/(templates|upstream)\/|^src\/(did-you-mean|problem|pauses|template-value)\.ts$/,
    types: /^src\/(templates|upstream)\/|^src\/problem\.ts$/,
    packages: /^$/,
  },
  {
    of: /^src\/(holds|connections)\//,
    values: /^src\/(holds\/|connections\/|(callers|problem|store-problems|rate-limit\/gcra)\.ts$)/,
    types: /^src\/(holds|connections|store|upstream)\//,
    packages: /^$/,
  },
  {
    // The upstream, pretending: were it to share code with the client, both would be wrong together.
    of: /^src\/simulator\//,
    values: /^src\/simulator\//,
    types: /^src\/simulator\//,
    packages: /^(typebox(\/\w+)?|node:[\w/]+)$/,
  },
  {
    of: /^src\/upload\//,
    values: /^src\/(upload\/[\w-]+|pools\/[\w-]+|problem)\.ts$/,
    types: /^src\/(upload\/|(problem|problem-types)\.ts$)/,
    packages: /^(file-type|node:[\w/]+)$/,
  },
  {
    of: /^src\/csv\//,
    values: /^src\/(csv\/[\w-]+|upload\/(upload-error|foreign-file)|template-value|text)\.ts$/,
    types: /^src\/(csv|recipients)\/|^src\/problem\.ts$/,
    packages: /^(csv-parse|node:[\w/]+)$/,
  },
  // Knows neither what is called nor who asks: the slots of the store come in as an argument.
  {
    of: /^src\/rate-limit\//,
    values: /^src\/(rate-limit\/|problem\.ts$)/,
    types: /^src\/rate-limit\//,
    packages: /^node:[\w/]+$/,
  },
  {
    of: /^src\/tracing\//,
    values: /^src\/(tracing\/[\w-]+|config)\.ts$/,
    types: /^src\/(tracing|upstream)\//,
    packages: /^@opentelemetry\/(api|core|resources|sdk-trace|exporter-trace-otlp-http)$/,
  },
  {
    // Puts the real service in front of the simulated upstream, as bin does with the true one.
    of: /^src\/sandbox\//,
    values:
      /^src\/(sandbox\/[\w-]+|app|services|callers|callers\/(sandbox-key|follow)|config|pauses|simulator\/(simulator|given-templates)|store\/open|upstream\/dispatchers|delivery\/(send-content|outcome)|schemas\/words)\.ts$|^plugins\/(metrics|connections)\.ts$/,
    types: /^src\/(seams|store\/(broadcast|message)-store)\.ts$/,
    packages: /^(fastify|node:[\w/]+)$/,
  },
  { of: /^src\/store\//, values: /^src\/store\//, types: /^src\/(store|schemas)\//, packages: /^(node:[\w/]+|pg)$/ },
];

it('sees every import', () => {
  expect(files.length).toBeGreaterThan(60);
  for (const file of files) {
    expect(text(file), file).not.toMatch(
      /\bawait import\((?!'\.\/((postgres|sqlite)\/engine|otlp)\.ts')|\brequire\(|^import '/m,
    );
    const lines = text(file).match(/^(import|export|\}).* from '/gm)?.length ?? 0;
    expect(imports.filter((each) => each.file === file).length, file).toBeGreaterThanOrEqual(lines);
  }
});

it.each(rules)('keeps $of to what it may know', ({ of, values, types, packages }) => {
  const own = imports.filter(({ file }) => of.test(file));
  expect(files.some((file) => of.test(file))).toBe(true);
  const wrong = own.filter(({ target, typeOnly }) => {
    if (!isOurs(target)) return !packages.test(target);
    return !(values.test(target) || (typeOnly && types.test(target)));
  });
  expect(wrong).toEqual([]);
});

it('is not asked by what it is built from: nothing but bin and the sandbox imports app, and nothing imports bin', () => {
  const of = (pattern: RegExp) => imports.filter(({ target }) => pattern.test(target)).map(({ file }) => file);
  expect(of(/^src\/app\.ts$/).filter((file) => !/^src\/(bin|sandbox)\//.test(file))).toEqual([]);
  expect(of(/^src\/services\.ts$/).filter((file) => !/^src\/(app\.ts|sandbox\/)/.test(file))).toEqual([]);
  expect(of(/^src\/(sandbox|simulator)\//).filter((file) => !/^src\/(bin|sandbox|simulator)\//.test(file))).toEqual([]);
  expect(of(/^src\/bin\//)).toEqual([]);
  expect(of(/^routes\//).filter((file) => file !== 'src/app.ts' && !file.startsWith('routes/'))).toEqual([]);
});

it('keeps what only reads apart from delivery: no read route reaches it, types included', () => {
  const reached = new Set(
    ['contacts', 'conversations', 'media', 'connections', 'templates'].map((name) => `routes/${name}.ts`),
  );
  for (const file of reached)
    for (const each of imports) if (each.file === file && isOurs(each.target)) reached.add(each.target);
  expect([...reached].filter((file) => /^src\/(delivery|broadcasts)\//.test(file))).toEqual([]);
});

it('reads the environment in src/bin alone, and undici in src/upstream alone', () => {
  expect(
    files.filter((file) => !file.startsWith('src/bin/') && /process\s*\.\s*env|from 'node:process'/.test(text(file))),
  ).toEqual([]);
  expect(imports.filter(({ file, target }) => target === 'undici' && !file.startsWith('src/upstream/'))).toEqual([]);
  // Browsers run the scripts of these pages.
  const fetching = files.filter((file) => !file.startsWith('src/bin/') && /\bfetch\(/.test(text(file)));
  expect(fetching.toSorted()).toEqual(['plugins/docs-page.ts', 'routes/home.ts']);
});

it('loads OpenTelemetry only where it is asked for', () => {
  const users = imports.filter(({ target }) => target.startsWith('@opentelemetry/')).map(({ file }) => file);
  expect([...new Set(users)]).toEqual(['src/tracing/otlp.ts']);
  expect(imports.filter(({ target }) => target === 'src/tracing/otlp.ts')).toEqual([]);
});

it('never asks whether it is under test', () => {
  expect(files.filter((file) => /NODE_ENV|VITEST/.test(text(file)))).toEqual([]);
});
