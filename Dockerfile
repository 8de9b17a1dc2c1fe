# One image for all services and the migrations: docker-compose.yml says which one a container runs.

FROM node:22-alpine AS build
WORKDIR /app
# Packages first: they change less often than the code. No package may run a program of its own while it is installed.
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY swc.config.cjs ./
COPY scripts/build.mjs scripts/bundle-packages.mjs scripts/
COPY apps apps
COPY libs libs
COPY db db
COPY bench bench
RUN npm run build
# "optional" are the binaries of the embedded Postgres and of other platforms; a container has no use for them.
RUN npm prune --omit=dev --omit=optional --ignore-scripts --no-audit --no-fund

FROM node:22-alpine
ENV NODE_ENV=production
WORKDIR /app
# Only what a running service reads. Owned by root: the program cannot change itself.
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules node_modules
COPY --from=build /app/dist dist
COPY --from=build /app/db/migrations db/migrations
COPY --from=build /app/apps/console apps/console
# What the all-in-one keeps: its keys, unless they are given.
RUN mkdir /data && chown node:node /data
ENV HEARTH_DATA_DIR=/data
VOLUME /data
USER node
# 8080 HTTP and WebSocket, 9090 health and metrics.
EXPOSE 8080 9090
# The all-in-one, on a Postgres and a NATS server that are given: HEARTH_DATABASE_URL, HEARTH_NATS_URL.
CMD ["node", "dist/apps/hearth/src/main.js"]
