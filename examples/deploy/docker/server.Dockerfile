# A web server in Node, with the npm package. In the root of the checkout, after `./dev package`:
#
#     docker build -f examples/deploy/docker/server.Dockerfile -t noex-server:0.1.0 .
#
# Any Node from 18 on: the package brings one binary for all. Debian, and not Alpine: it needs glibc.
FROM node:22-bookworm-slim
WORKDIR /srv
RUN --mount=type=bind,source=dist,target=/dist \
  npm install --offline --omit=dev --no-audit --no-fund /dist/noex-cluster-*.tgz
COPY examples/deploy/docker/server.mjs ./
ENV NODE_ENV=production
# A number, so that Kubernetes can see that it is not root.
USER 65532:65532
EXPOSE 4369 8080
# A list, and node itself: `npm start` or a shell would be process 1, and keep SIGTERM for itself. An init (tini) is not
# needed: the program handles its signals, and starts no processes.
CMD ["node", "server.mjs"]
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 \
  CMD ["node", "-e", "fetch('http://127.0.0.1:8080/health').then((res) => process.exit(res.ok ? 0 : 1))"]
