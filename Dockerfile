# The daemon, from the same lock as everywhere else.
#
#   docker build -t deltaband .
#   docker run --rm --read-only --tmpfs /tmp -v deltaband:/var/lib/deltaband deltaband demo --seconds 60
#   docker compose -f deploy/compose.yaml up -d              a daemon with its secrets, its port and its limits
#
# Nothing but /var/lib/deltaband (ledger, tape, compiled kernels) and /tmp is ever written.
#
# The packages are pinned by hash. The base is pinned by name only, for a digest is the registry's to give: where
# builds must repeat to the byte, give yours (`docker buildx imagetools inspect python:3.11-slim-bookworm` shows it):
#
#   docker build --build-arg BASE=docker.io/library/python:3.11-slim-bookworm@sha256:... -t deltaband .

ARG BASE=docker.io/library/python:3.11-slim-bookworm

FROM ${BASE} AS build
WORKDIR /opt/deltaband
SHELL ["/bin/bash", "-euo", "pipefail", "-c"]

# The lock alone first: the layer with the dependencies outlives every change of the code.
COPY pyproject.toml README.md ./
COPY deploy/environment.sh deploy/requirements.lock deploy/requirements-installer.lock deploy/
COPY bot/__init__.py bot/
RUN UV_LINK_MODE=copy UV_NO_CACHE=1 PIP_NO_CACHE_DIR=1 \
    && export UV_LINK_MODE UV_NO_CACHE PIP_NO_CACHE_DIR \
    && source deploy/environment.sh && prepare runtime \
    && .venv/bin/python -m pip uninstall --quiet --yes uv \
    && .venv/bin/python -m compileall -q -j 0 .venv/lib

COPY deploy/healthcheck deploy/
COPY config config
COPY bot bot
# The kernels are compiled for this machine's processor. A volume that starts from this image starts
# with them; on another processor, or without them, the first start compiles its own.
RUN .venv/bin/python -m compileall -q bot \
    && NUMBA_CACHE_DIR=/var/lib/deltaband/kernels \
        .venv/bin/python -c "from bot.core import exposure; exposure.warm()"


FROM ${BASE}
LABEL org.opencontainers.image.title="deltaband" \
    org.opencontainers.image.description="A daemon that keeps a book of crypto options delta-neutral."

RUN useradd --uid 10001 --no-create-home --home-dir /var/lib/deltaband --shell /usr/sbin/nologin deltaband
COPY --from=build /opt/deltaband /opt/deltaband
COPY --from=build --chown=10001:10001 /var/lib/deltaband /var/lib/deltaband

ENV PATH=/opt/deltaband/.venv/bin:$PATH \
    HOME=/var/lib/deltaband \
    NUMBA_CACHE_DIR=/var/lib/deltaband/kernels \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1

USER 10001:10001
WORKDIR /var/lib/deltaband
VOLUME /var/lib/deltaband

# Asks /healthz of whatever daemon keeps its ledger here; a verb that is no daemon is healthy while it runs.
HEALTHCHECK --interval=15s --timeout=5s --start-period=120s --retries=3 \
    CMD ["/opt/deltaband/.venv/bin/python", "-I", "/opt/deltaband/deploy/healthcheck"]

# SIGTERM is the daemon's signal to cancel its orders and close its ledger.
STOPSIGNAL SIGTERM
ENTRYPOINT ["deltaband"]
CMD ["run", "/etc/deltaband/config.yaml"]
