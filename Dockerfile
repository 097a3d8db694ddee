# syntax=docker/dockerfile:1
# The version of the devDependency `node`: what is tested is what runs.
ARG NODE=node:24.21.0-bookworm-slim

FROM ${NODE} AS build
WORKDIR /app
COPY package.json package-lock.json ./
# The devDependency `node` is for development machines; here the image's own is used, so no script needs to run.
RUN npm ci --ignore-scripts
COPY tsconfig.json tsconfig.build.json ./
COPY src src
COPY routes routes
COPY plugins plugins
# What goes last is for those who read and type-check code, not for those who run it.
RUN node node_modules/typescript/bin/tsc -p tsconfig.build.json \
 && cp -R src/console dist/src/ \
 && npm prune --omit=dev --ignore-scripts \
 && node -e "for (const file of fs.globSync('node_modules/**/*.{map,d.ts,d.mts,d.cts}')) fs.rmSync(file)" \
 && mkdir /data

FROM ${NODE}
LABEL org.opencontainers.image.title="wati-bff" \
      org.opencontainers.image.description="REST routes in front of WATI (WhatsApp) through Maton, with the truth about every send" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.licenses="UNLICENSED"
WORKDIR /app
ENV HOST=0.0.0.0 PORT=3000 STORE_URL=file:/data/wati-bff.db
# The one place that is written to; everything else may be read-only.
COPY --from=build --chown=1000:1000 /data /data
VOLUME /data
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules node_modules
COPY --from=build /app/dist dist
# The guides, which /docs shows.
COPY README.md ./
COPY docs docs
# Numeric, so that Kubernetes can see that it is not root.
USER 1000:1000
EXPOSE 3000
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s \
  CMD ["node", "dist/src/bin/healthcheck.js"]
ENTRYPOINT ["node", "--disable-sigusr1", "--max-semi-space-size=8", "--heap-growing-percent=50", "--initial-old-space-size=48", "--expose-gc", "dist/src/bin/wati-bff.js"]
CMD ["serve"]
