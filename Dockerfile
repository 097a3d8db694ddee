# syntax=docker/dockerfile:1
ARG NODE=node:24-bookworm-slim

FROM ${NODE} AS build
WORKDIR /app
COPY package.json package-lock.json ./
# The devDependency `node` is for development machines; here the image's own is used, so no script needs to run.
RUN npm ci --ignore-scripts
COPY tsconfig.json tsconfig.build.json ./
COPY src src
COPY routes routes
COPY plugins plugins
RUN node node_modules/typescript/bin/tsc -p tsconfig.build.json \
 && npm prune --omit=dev --ignore-scripts

FROM ${NODE}
WORKDIR /app
ENV HOST=0.0.0.0 PORT=3000 STORE_URL=file:/data/wati-bff.db
# The one place that is written to; everything else may be read-only.
RUN mkdir /data && chown 1000:1000 /data
VOLUME /data
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules node_modules
COPY --from=build /app/dist dist
# Numeric, so that Kubernetes can see that it is not root.
USER 1000:1000
EXPOSE 3000
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s \
  CMD ["node", "dist/src/bin/healthcheck.js"]
CMD ["node", "dist/src/bin/server.js"]
