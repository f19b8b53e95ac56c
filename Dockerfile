FROM python:3.13.16-slim-trixie AS base
ENV PREFIX=/opt/user-events


FROM base AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /build

# The packages come first, in a layer that only a new lock file rebuilds.
COPY requirements/runtime.txt requirements/
RUN python -m venv "$PREFIX" && \
    "$PREFIX/bin/pip" install --require-hashes --requirement requirements/runtime.txt

COPY pyproject.toml README.md LICENSE ./
COPY src src
# pip compiles the installed packages to bytecode. Afterwards neither pip nor the build backend is needed.
RUN "$PREFIX/bin/pip" install --no-deps --no-build-isolation . && \
    "$PREFIX/bin/pip" uninstall --yes setuptools pip


FROM base
# docker build --build-arg COMMIT="$(git describe --always --dirty)"
ARG COMMIT=unknown
LABEL org.opencontainers.image.revision=$COMMIT org.opencontainers.image.licenses=MIT
# The root file system may be read-only: the process writes nothing, not even bytecode.
ENV PATH=$PREFIX/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 USER_EVENTS_COMMIT=$COMMIT
COPY --from=build $PREFIX $PREFIX

# A number, so that Kubernetes can tell that it is not root.
USER 10001:10001
EXPOSE 3000 3001
STOPSIGNAL SIGTERM
# For the api; a container that runs the consumer needs a check of CONSUMER_PORT instead.
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s CMD ["python", "-c", "import http.client, os; api = http.client.HTTPConnection('127.0.0.1', int(os.environ.get('PORT', 3000))); api.request('GET', '/health'); raise SystemExit(api.getresponse().status != 200)"]
ENTRYPOINT ["user-events"]
CMD ["api"]
