# A worker in Python, with the wheel of the package. In the root of the checkout, after `./dev package`:
#
#     docker build -f examples/deploy/docker/worker.Dockerfile -t noex-worker:0.1.0 .
#
# The version of Python is the one that the wheel was built for (cp311); Debian, and not Alpine: it needs glibc.
FROM python:3.11-slim-bookworm
RUN --mount=type=bind,source=dist,target=/dist \
  pip install --no-cache-dir --no-index /dist/noex_cluster-*.whl
WORKDIR /srv
COPY examples/deploy/docker/worker.py ./
# Lines of the log leave at once. Nothing is written: the root may be read-only.
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
# A number, so that Kubernetes can see that it is not root.
USER 65532:65532
EXPOSE 4369 8080
# A list: a shell between the runtime and the program would be process 1, and keep SIGTERM for itself. An init (tini) is
# not needed: the program handles its signals, and starts no processes.
CMD ["python", "worker.py"]
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/health', timeout=2)"]
