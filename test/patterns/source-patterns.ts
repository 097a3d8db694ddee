import { globSync, readFileSync } from 'node:fs';

/** A regular expression in the source, and where it stands. */
export interface SourcePattern {
  file: string;
  source: string;
  flags: string;
}

/** Behind these a slash begins a pattern; behind a value it divides. */
const opensPattern = /(^|[(,=:[!&|?{};+\-*%~^<>\n]|=>|\breturn|\btypeof|\bcase)$/;

/** Every pattern of the service: literals, and the `pattern` of schemas, which Ajv compiles with the flag u. */
export function sourcePatterns(): SourcePattern[] {
  const files = globSync('{src,routes,plugins}/**/*.ts').filter((file) => file !== 'src/lib/patterns.ts');
  return files.flatMap((file) => {
    const text = readFileSync(file, 'utf8');
    const inSchemas = [...text.matchAll(/\b(?:pattern|Pattern): '((?:[^'\\\n]|\\.)+)'/g)].map(([, quoted = '']) => ({
      file,
      source: quoted.replaceAll('\\\\', '\\').replaceAll("\\'", "'"),
      flags: 'u',
    }));
    return [...literalsIn(text).map((literal) => ({ file, ...literal })), ...inSchemas];
  });
}

/** A tokenizer that knows comments, texts and patterns, and no more. */
export function literalsIn(text: string): { source: string; flags: string }[] {
  const found: { source: string; flags: string }[] = [];
  let code = '';
  let at = 0;
  /** For each template that an expression interrupts: the braces open in it. */
  const braces: number[] = [];
  const afterTemplate = (from: number) => {
    const part = /^(?:[^`\\$]|\\.|\$(?!\{))*(`|\$\{)/s.exec(text.slice(from));
    if (part?.[1] === '${') braces.push(0);
    return from + (part?.[0].length ?? 1);
  };
  while (at < text.length) {
    const rest = text.slice(at, at + 2_000);
    const skipped =
      /^\/\/[^\n]*/.exec(rest)?.[0] ??
      (rest.startsWith('/*') ? text.slice(at, text.indexOf('*/', at) + 2) : undefined) ??
      /^'(?:[^'\\\n]|\\.)*'/.exec(rest)?.[0] ??
      /^"(?:[^"\\\n]|\\.)*"/.exec(rest)?.[0];
    if (skipped !== undefined) {
      if (!skipped.startsWith('/')) code += '0';
      at += skipped.length;
      continue;
    }
    const literal = opensPattern.test(code.trimEnd().slice(-10))
      ? /^\/((?:[^/\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+)\/([a-z]*)/.exec(rest)
      : null;
    if (literal) {
      found.push({ source: literal[1] ?? '', flags: literal[2] ?? '' });
      code += '0';
      at += literal[0].length;
      continue;
    }
    const letter = text[at] ?? '';
    const open = braces.at(-1);
    at += 1;
    if (letter === '`' || (letter === '}' && open === 0)) {
      if (letter === '}') braces.pop();
      code += '0';
      at = afterTemplate(at);
      continue;
    }
    if (open !== undefined && letter === '{') braces[braces.length - 1] = open + 1;
    if (open !== undefined && letter === '}') braces[braces.length - 1] = open - 1;
    code = (code + letter).slice(-20);
  }
  return found;
}
