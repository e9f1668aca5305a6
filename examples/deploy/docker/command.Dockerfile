# The command noex-cluster in a container: a seed, or a member to look at the mesh from. In the root of the checkout,
# after `./dev package`:
#
#     docker build -f examples/deploy/docker/command.Dockerfile -t noex-cluster:0.1.0 .
#
# Debian, and not Alpine: the packages are built for glibc 2.34 and later.
FROM debian:bookworm-slim AS package
ARG VERSION=0.1.0
ADD dist/noex_cluster-${VERSION}-linux-x86_64.tar.gz /package/

FROM debian:bookworm-slim
COPY --from=package /package/noex_cluster-*/bin/noex-cluster /usr/local/bin/
# Where the node's control socket lies: `noex-cluster status` in the container finds it there.
RUN install --directory --mode=0700 --owner=65532 --group=65532 /run/noex-cluster
ENV NOEX_CONTROL_SOCKET=/run/noex-cluster/control.sock
# A number, so that Kubernetes can see that it is not root.
USER 65532:65532
EXPOSE 4369 8080
# As lists: a shell between the runtime and the node would be process 1, and keep SIGTERM for itself. An init (tini) is
# not needed: the command handles its signals itself, also as process 1.
ENTRYPOINT ["noex-cluster"]
CMD ["run"]
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 CMD ["noex-cluster", "status"]
