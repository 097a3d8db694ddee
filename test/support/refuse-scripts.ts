import type { Service } from './service.ts';

/** WATI refuses every call that contains `<script>` as a whole, with a 200, and sends nothing of it. */
export function refuseScripts({ simulator }: Service): void {
  const body = { result: false, error: 'Check your template, it cannot have typos or blank text', receivers: [] };
  simulator.rule(({ text }) => (text.includes('<script>') ? { status: 200, body, process: false } : undefined));
}
