# syntax=docker/dockerfile:1
# The service: worker, commands, admin process. No compiler, no test tools, nothing of the embedded stack's packages.
#
# The tag is exact, but a tag can be moved. Nobody who wrote this could ask a registry for the digest, so pin it where the
# image is built: --build-arg PYTHON=python:3.11.15-slim-trixie@sha256:...
ARG PYTHON=python:3.11.15-slim-trixie

FROM ${PYTHON} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1
WORKDIR /src
COPY deploy/image/tools.lock requirements-runtime.lock ./
# what builds, and lists what was built, in an environment that is not copied
RUN python -m venv /opt/tools && \
    /opt/tools/bin/python -m pip install --require-hashes --only-binary :all: -r tools.lock
RUN python -m venv --without-pip /opt/headrace && \
    /opt/tools/bin/python -m pip --python /opt/headrace/bin/python \
    install --require-hashes --only-binary :all: -r requirements-runtime.lock
COPY LICENSE README.md pyproject.toml ./
COPY consumer consumer
COPY dlq dlq
RUN /opt/tools/bin/python -m pip wheel --no-deps --no-build-isolation --wheel-dir /opt/wheel . && \
    /opt/tools/bin/python -m pip --python /opt/headrace/bin/python install --no-deps --no-index /opt/wheel/*.whl && \
    /opt/headrace/bin/python -m compileall -q /opt/headrace/lib
# the packages of the environment as CycloneDX; those of the base are listed by `docker build --sbom=true`
RUN mkdir -p /opt/headrace/share/headrace && \
    /opt/tools/bin/cyclonedx-py environment --output-reproducible --output-format JSON \
    --output-file /opt/headrace/share/headrace/sbom.cdx.json /opt/headrace/bin/python

FROM ${PYTHON}
ARG VERSION=0.1.0.dev0
ARG REVISION=unknown
ARG CREATED=unknown
LABEL org.opencontainers.image.title="Headrace" \
      org.opencontainers.image.description="Applies Debezium change topics to PostgreSQL: every change once, in order per row." \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}"
# nothing is installed into a running container
RUN python -m pip uninstall --yes pip setuptools wheel && \
    rm -rf /usr/local/lib/python3.11/ensurepip && \
    groupadd --gid 10001 headrace && \
    useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin headrace && \
    mkdir /etc/headrace
COPY --from=build /opt/headrace /opt/headrace
# USER: who gave a command, for the audit, where the platform chooses a uid that has no name
ENV PATH=/opt/headrace/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    USER=headrace
# a headrace.toml that is mounted here is found without --config
WORKDIR /etc/headrace
USER 10001:10001
# the admin process; a worker has metrics and probes on 9464, on loopback unless telemetry.host says otherwise
EXPOSE 8470
# whether the worker of this container reports itself; the admin process has /healthz and wants a check of its own
HEALTHCHECK --interval=60s --timeout=20s --start-period=60s --retries=3 CMD ["headrace", "workers", "ls", "--here"]
ENTRYPOINT ["headrace"]
CMD ["run"]
