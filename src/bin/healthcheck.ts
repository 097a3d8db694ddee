/** The image's HEALTHCHECK: exit code 0 if the service on PORT says that it lives. */
const answer = await fetch(`http://127.0.0.1:${process.env.PORT ?? 3000}/health/live`, {
  signal: AbortSignal.timeout(2_000),
}).catch(() => undefined);
process.exitCode = answer?.ok ? 0 : 1;
