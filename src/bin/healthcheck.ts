/** The image's HEALTHCHECK: exit code 0 if the service is alive. Asks ADMIN_PORT, which callers cannot fill, else PORT. */
const { ADMIN_PORT, PORT } = process.env;
const answer = await fetch(`http://127.0.0.1:${ADMIN_PORT || PORT || 3000}/health/live`, {
  signal: AbortSignal.timeout(2_000),
}).catch(() => undefined);
process.exitCode = answer?.ok ? 0 : 1;
