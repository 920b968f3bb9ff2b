# The gateway alone: REDIS_URL must name a Redis, as docker-compose.yml does.
# uWebSockets.js' binaries for Node 24 need glibc 2.38, so no Debian before trixie will do.
ARG NODE_IMAGE=node:24-trixie-slim

FROM ${NODE_IMAGE} AS installed
WORKDIR /app
ENV NPM_CONFIG_AUDIT=false NPM_CONFIG_FUND=false NPM_CONFIG_UPDATE_NOTIFIER=false
COPY package.json package-lock.json ./
# Every binary comes inside its package, so no package needs to run a script of its own.
RUN npm ci --ignore-scripts

FROM installed AS compiled
COPY tsconfig.json ./
COPY src src
COPY workers workers
# For the pages at /docs.
COPY docs docs
COPY bench/results/performance.svg bench/results/
# What is left at the top of dist are the tools' own settings.
RUN npm run build \
 && rm -f dist/*.* \
 && find dist -name '*.map' -delete

FROM installed AS modules
# uWebSockets.js brings a binary for each system, processor and Node there is: 250 MB, of which 7 are used.
# The import fails the build if the one that is needed is not there.
RUN npm prune --omit=dev --ignore-scripts \
 && cd node_modules \
 && used="uws_$(node -p '[process.platform, process.arch, process.versions.modules].join("_")').node" \
 && find uWebSockets.js -mindepth 1 -maxdepth 1 ! -name "$used" \
      ! -name '*.js' ! -name '*.mjs' ! -name package.json ! -name LICENSE -exec rm -r {} + \
 && node -e 'import("uWebSockets.js")' \
 && find . -type f -regex '.*\.\(map\|[cm]?ts\)' -delete

FROM ${NODE_IMAGE}
LABEL org.opencontainers.image.title="streamgate" \
      org.opencontainers.image.description="Redis Streams behind REST, binary WebSockets and GraphQL on one port" \
      org.opencontainers.image.licenses="MIT"
# On all addresses the gateway starts only with access control, or with ALLOW_ANONYMOUS=1.
ENV NODE_ENV=production HOST=0.0.0.0 PORT=8000
WORKDIR /app
COPY --from=modules /app/node_modules node_modules
COPY LICENSE package.json ./
COPY --from=compiled /app/dist dist
# For the client commands: docker-compose exec gateway streamgate --help
RUN ln -s /app/dist/src/main.js /usr/local/bin/streamgate
USER node
EXPOSE 8000
# Asks itself, so that it need not know the certificate.
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s \
  CMD ["node", "-e", "require(process.env.TLS_CERT_FILE ? 'https' : 'http').get({ host: '127.0.0.1', port: process.env.PORT, path: '/readyz', rejectUnauthorized: false }, ({ statusCode }) => process.exit(statusCode === 200 ? 0 : 1)).on('error', () => process.exit(1))"]
# Without a shell in between: the signal to stop must reach the gateway itself.
ENTRYPOINT ["node", "dist/src/main.js"]
CMD ["serve"]
