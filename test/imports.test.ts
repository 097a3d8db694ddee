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
    // Beside schemas and problems: who calls, what a request is, and pure functions of upstream, delivery and templates.
    of: /^routes\//,
    values:
      /^(routes\/[\w-]+|src\/pools\/refusal|src\/(problem|problem-types|callers|sending-rules)|src\/(http|lib|operator|messages)\/[\w-]+|src\/store\/(errors|store-problems)|src\/upload\/(uploads|detached)|src\/csv\/csv-check|src\/recipients\/recipient|src\/schemas\/\w[\w-]*|src\/settings\/native-paths|src\/tracking\/(delivery-state|failure-kind|conversation-view|window)|src\/holds\/holds|src\/upstream\/(tolerant-reader|classify-response|client|response-problems|templates|send-calls|pages|row-[\w-]+|stored-file|answer-start|answers\/(fields|success-flags|reason))|src\/delivery\/(send-content|outcome|idempotency)|src\/broadcasts\/(broadcast-service|progress-events|resend|status-change)|src\/templates\/template-(validation|text)|src\/webhooks\/(destination|lag|test-event)|src\/events\/[\w-]+)\.ts$/,
    types:
      /^(routes|src\/(schemas|upstream|delivery|broadcasts|templates|connections|holds|store|tracking|upload|rate-limit|operator|pools|recipients|settings|webhooks|events))\/|^src\/(config|readiness|callers)\.ts$/,
    packages:
      /^(fastify|typebox|@fastify\/(type-provider-typebox|multipart)|@prometheus-io\/client|node:(crypto|stream|stream\/\w+|events))$/,
  },
  {
    of: /^plugins\//,
    values:
      /^(plugins\/[\w-]+|src\/(problem|problem-types|callers|callers\/addresses)|src\/(http|lib|docs)\/[\w-]+|src\/recipients\/recipient|src\/schemas\/(problem|common|schema-errors)|src\/rate-limit\/(gcra|caller-limiter)|src\/pools\/refusal)\.ts$/,
    types:
      /^src\/(connections|http|rate-limit|tracing|pools|recipients)\/|^src\/(store\/coordination-store|schemas\/validators)\.ts$|^src\/(callers|problem|problem-types|readiness)\.ts$/,
    packages: /^(fastify|fastify-plugin|@fastify\/[\w-]+|@prometheus-io\/client|node:[\w/]+)$/,
  },
  {
    // Between the network and the routes: connections, keys, limits of addresses, how a problem is answered.
    of: /^src\/http\//,
    values:
      /^src\/(http\/[\w-]+|lib\/[\w-]+|pools\/[\w-]+|callers|callers\/addresses|problem|problem-types|rate-limit\/gcra|holds\/sending-stop|store\/store-problems)\.ts$/,
    types:
      /^src\/(callers|config|problem-types|docs\/openapi-document|(connections|holds|store|tracing|upstream)\/[\w-]+)\.ts$/,
    packages: /^(fastify|node:[\w/]+)$/,
  },
  // One subject a file, without any knowledge of the rest.
  {
    of: /^src\/lib\//,
    values: /^src\/lib\//,
    types: /^src\/lib\//,
    packages: /^(typebox|undici\/[\w/.-]+|node:[\w/]+)$/,
  },
  {
    of: /^src\/(docs|problem-types)\//,
    values:
      /^src\/((docs|problem-types|lib)\/[\w-]+\.ts|problem-types\.ts|http\/schema-controller\.ts|schemas\/(example-answers\.json|(common|event|(event|webhook)-examples)\.ts))$/,
    types: /^src\/(docs|problem-types)\//,
    packages: /^(fastify|@fastify\/swagger|node:[\w/]+)$/,
  },
  {
    of: /^src\/observability\//,
    values:
      /^src\/((observability|lib)\/[\w-]+|events\/event-types|tracking\/(transitions|failure-kind|reply-routing)|upstream\/error-code|keys\/key-finder|callers)\.ts$/,
    types:
      /^src\/(observability|tracking|http|pools|rate-limit|schemas|upstream|settings|callers)\/|^src\/(config|callers|readiness)\.ts$/,
    packages: /^(pino|fastify|@prometheus-io\/client|node:[\w/]+)$/,
  },
  {
    of: /^src\/settings\//,
    values: /^src\/(settings\/[\w-]+|lib\/[\w-]+)\.ts$/,
    types: /^src\/settings\//,
    packages: /^(typebox|node:[\w/]+)$/,
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
    values: /^src\/(callers|lib\/[\w-]+|recipients\/countries|events\/(event|near)-types|callers\/[\w-]+)\.ts$/,
    types: /^src\/callers\.ts$/,
    packages: /^(ajv|typebox|ipaddr\.js|node:[\w/]+)$/,
  },
  {
    of: /^src\/schemas\//,
    values:
      /^src\/(schemas\/|(callers|problem-types|upstream\/media-path|recipients\/recipient|events\/event-types|lib\/[\w-]+)\.ts$)/,
    types: /^src\/(schemas|recipients)\/|^src\/(problem|events\/event-types)\.ts$/,
    packages: /^(typebox|ajv)$/,
  },
  {
    of: /^src\/upstream\//,
    values:
      /^src\/(upstream\/(answers\/)?[\w-]+|keys\/[\w-]+|pools\/[\w-]+|lib\/[\w-]+|problem|settings\/retry-delays|rate-limit\/types)\.ts$/,
    types: /^src\/(upstream\/[\w-]+|rate-limit\/types|keys\/[\w-]+|config|problem)\.ts$/,
    packages: /^(undici|node:[\w/]+)$/,
  },
  // Foreign text comes in, and a yes or no goes out.
  { of: /^src\/keys\//, values: /^src\/keys\//, types: /^src\/keys\//, packages: /^node:buffer$/ },
  {
    of: /^src\/delivery\//,
    values:
      /^src\/(delivery|templates|upstream|pools|holds)\/|^src\/(problem|settings\/retry-delays|lib\/[\w-]+|recipients\/recipient|schemas\/common|store\/(errors|store-problems|retry-while-store-fails))\.ts$/,
    types:
      /^src\/(delivery|templates|upstream|rate-limit|schemas|store|pools|holds)\/|^src\/(config|problem|problem-types)\.ts$/,
    packages: /^node:[\w/]+$/,
  },
  {
    of: /^src\/broadcasts\//,
    values:
      /^src\/(broadcasts|delivery|upstream|holds)\/|^src\/(problem|settings\/retry-delays|lib\/[\w-]+|store\/(errors|quota-store|store-problems|retry-while-store-fails))\.ts$/,
    types: /^src\/(broadcasts|delivery|upstream|schemas|store|holds)\//,
    packages: /^$/,
  },
  {
    // Records as their callers see them: in answers, and in events.
    of: /^src\/messages\//,
    values:
      /^src\/(messages\/[\w-]+|lib\/[\w-]+|delivery\/outcome|holds\/holds|tracking\/(delivery-state|failure-kind))\.ts$/,
    types: /^src\/(schemas|store|holds|broadcasts)\//,
    packages: /^$/,
  },
  {
    // Knows the callers, what they may hear, and the views of records; the store comes in as an argument.
    of: /^src\/events\//,
    values:
      /^src\/(events\/[\w-]+|messages\/[\w-]+|lib\/[\w-]+|callers|problem|delivery\/outcome|store\/store-problems)\.ts$/,
    types: /^src\/(events|store|broadcasts|schemas|tracking)\/|^src\/callers\.ts$/,
    packages: /^node:[\w/]+$/,
  },
  {
    of: /^src\/templates\//,
    values: /^src\/(templates|upstream)\/|^src\/(lib\/[\w-]+|problem|settings\/retry-delays)\.ts$/,
    types: /^src\/(templates|upstream)\/|^src\/problem\.ts$/,
    packages: /^$/,
  },
  {
    of: /^src\/(holds|connections)\//,
    values: /^src\/(holds\/|connections\/|lib\/|(callers|problem|store\/store-problems|rate-limit\/gcra)\.ts$)/,
    types: /^src\/(holds|connections|store|upstream)\//,
    packages: /^$/,
  },
  {
    // The upstream, pretending: were it to share code with the client, both would be wrong together.
    of: /^src\/simulator\//,
    values: /^src\/simulator\/|^src\/lib\/to-error\.ts$/,
    types: /^src\/simulator\//,
    packages: /^(typebox(\/\w+)?|node:[\w/]+)$/,
  },
  {
    of: /^src\/upload\//,
    values: /^src\/(upload\/[\w-]+|pools\/[\w-]+|lib\/(collect-garbage|to-error)|problem)\.ts$/,
    types: /^src\/(upload\/|(problem|problem-types)\.ts$)/,
    packages: /^(fastify|@fastify\/multipart|file-type|node:[\w/]+)$/,
  },
  {
    // Has a listener of its own, with the guards of the other one in front of it.
    of: /^src\/intake\//,
    values:
      /^src\/((intake|lib|http|observability)\/[\w-]+|tracking\/(dedupe-key|event-names)|pools\/shared-pool|store\/sqlite\/(connection|open-connection)|callers\/(list-file|words)|rate-limit\/gcra|problem|schemas\/schema-errors)\.ts$|^plugins\/(drain|lingering-close|request-validation)\.ts$/,
    types: /^src\/store\/intake-store\.ts$/,
    packages: /^(fastify|ajv|typebox|@prometheus-io\/client|node:[\w/]+)$/,
  },
  {
    // Out to receivers of callers: what may be called, how it is signed, and when it is tried again.
    of: /^src\/webhooks\//,
    values: /^src\/(webhooks\/[\w-]+|lib\/[\w-]+|events\/event-types|rate-limit\/gcra)\.ts$/,
    types: /^src\/(webhooks|store|events)\//,
    packages: /^(undici|standardwebhooks|ipaddr\.js|node:(crypto|net|os|dns|(dns|timers)\/promises))$/,
  },
  {
    of: /^src\/csv\//,
    values: /^src\/(csv\/[\w-]+|upload\/(upload-error|foreign-file)|templates\/template-value|lib\/[\w-]+)\.ts$/,
    types: /^src\/(csv|recipients)\/|^src\/problem\.ts$/,
    packages: /^(csv-parse|node:[\w/]+)$/,
  },
  {
    // Webhooks are read as the answers of WATI are, by the same lenient readers.
    of: /^src\/tracking\//,
    values:
      /^src\/(tracking\/[\w-]+|lib\/[\w-]+|settings\/retry-delays|store\/store-problems|recipients\/recipient|upstream\/(tolerant-reader|report-window|scrub-error-text|row-content|row-media|answers\/(fields|receivers)))\.ts$/,
    types: /^src\/((tracking|store|delivery|events)\/|upstream\/history-reader\.ts$)/,
    packages: /^node:(crypto|timers\/promises)$/,
  },
  // Knows neither what is called nor who asks: the slots of the store come in as an argument.
  {
    of: /^src\/rate-limit\//,
    values: /^src\/(rate-limit\/|problem\.ts$)/,
    types: /^src\/(rate-limit\/|store\/coordination-store\.ts$)/,
    packages: /^node:[\w/]+$/,
  },
  {
    of: /^src\/tracing\//,
    values: /^src\/(tracing\/[\w-]+|lib\/[\w-]+|config)\.ts$/,
    types: /^src\/(tracing|upstream)\//,
    packages: /^@opentelemetry\/(api|core|resources|sdk-trace|exporter-trace-otlp-http)$/,
  },
  {
    // Puts the real service in front of the simulated upstream, as bin does with the true one.
    of: /^src\/sandbox\//,
    values:
      /^src\/(sandbox\/[\w-]+|app|records|callers|callers\/(sandbox-key|follow)|config|settings\/retry-delays|simulator\/(simulator|given-templates)|store\/open|upstream\/dispatchers|delivery\/(send-content|outcome)|schemas\/common|webhooks\/allowed-hosts|http\/[\w-]+|observability\/[\w-]+|lib\/[\w-]+)\.ts$/,
    types:
      /^src\/(service-overrides|intake\/tokens|store\/(event|tracking|broadcast|message|schedule|webhook-endpoint)-store)\.ts$/,
    packages: /^(fastify|node:[\w/]+)$/,
  },
  {
    of: /^src\/store\//,
    values: /^src\/(store\/|(problem|events\/event-types|lib\/(collect-garbage|hmac-sha256|sleep|to-error))\.ts$)/,
    types: /^src\/(store|schemas)\//,
    packages: /^(node:[\w/]+|pg)$/,
  },
];

it('sees every import', () => {
  expect(files.length).toBeGreaterThan(60);
  for (const file of files) {
    expect(text(file), file).not.toMatch(
      /\bawait import\((?!'(file-type|@fastify\/swagger|\.\/((postgres|sqlite)\/engine|otlp)\.ts|\.\.\/app\.ts)')|\brequire\(|^import '/m,
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

it('is not asked by what it is built from: nothing but bin and the sandbox imports app, and only programs import bin', () => {
  const of = (pattern: RegExp) => imports.filter(({ target }) => pattern.test(target)).map(({ file }) => file);
  expect(of(/^src\/app\.ts$/).filter((file) => !/^src\/(bin|sandbox)\//.test(file))).toEqual([]);
  expect(
    of(/^src\/services\.ts$/).filter(
      (file) => !/^src\/((app|register-plugins|register-operator-routes)\.ts|sandbox\/)/.test(file),
    ),
  ).toEqual([]);
  expect(of(/^src\/(sandbox|simulator)\//).filter((file) => !/^src\/(bin|sandbox|simulator)\//.test(file))).toEqual([]);
  expect(of(/^src\/bin\//).filter((file) => !/^src\/bin\//.test(file))).toEqual([]);
  expect(
    of(/^routes\//).filter(
      (file) => !/^(src\/(app|register-plugins|register-operator-routes)\.ts$|routes\/)/.test(file),
    ),
  ).toEqual([]);
});

it('keeps what only reads apart from delivery: no read route reaches it, types included', () => {
  const reached = new Set(
    ['contacts', 'conversations', 'media', 'connections', 'templates'].map((name) => `routes/${name}.ts`),
  );
  for (const file of reached)
    for (const each of imports) if (each.file === file && isOurs(each.target)) reached.add(each.target);
  expect([...reached].filter((file) => /^src\/(delivery|broadcasts)\//.test(file))).toEqual([]);
});

it('reads the environment in src/bin alone, and undici where calls go out', () => {
  expect(
    files.filter((file) => !file.startsWith('src/bin/') && /process\s*\.\s*env|from 'node:process'/.test(text(file))),
  ).toEqual([]);
  const calling = imports.filter(({ target, typeOnly }) => target === 'src/lib/undici.ts' && !typeOnly);
  expect(calling.map(({ file }) => file)).toEqual(['src/upstream/dispatchers.ts', 'src/webhooks/webhook-agent.ts']);
  // Its index loads five times as many files as calls need.
  expect(imports.filter(({ target, typeOnly }) => target === 'undici' && !typeOnly)).toEqual([]);
  // Browsers run the scripts of these pages.
  const fetching = files.filter((file) => !file.startsWith('src/bin/') && /\bfetch\(/.test(text(file)));
  expect(fetching.toSorted()).toEqual(['src/docs/docs-page.ts']);
});

it('loads OpenTelemetry only where it is asked for', () => {
  const users = imports.filter(({ target }) => target.startsWith('@opentelemetry/')).map(({ file }) => file);
  expect([...new Set(users)]).toEqual(['src/tracing/otlp.ts']);
  expect(imports.filter(({ target }) => target === 'src/tracing/otlp.ts')).toEqual([]);
});

it('never asks whether it is under test', () => {
  expect(files.filter((file) => /NODE_ENV|VITEST/.test(text(file)))).toEqual([]);
});
