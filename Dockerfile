# One file, three images: `--target portal` (web and worker) and `--target runner` (builds and tests, knows nothing).
# The base is Debian 12, for which the README's commands are tested.

FROM debian:12-slim AS base
ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 PIP_DISABLE_PIP_VERSION_CHECK=1
# Versions come from Debian's stable release as a whole; pinning one by one would break with its next security update.
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates git python3 \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --uid 10001 --create-home flambeau

FROM base AS packages
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends python3-venv \
 && rm -rf /var/lib/apt/lists/*
COPY requirements/portal.txt /tmp/portal.txt
RUN python3 -m venv /opt/portal \
 && /opt/portal/bin/pip install --no-cache-dir --require-hashes -r /tmp/portal.txt

FROM base AS portal
COPY --from=packages /opt/portal /opt/portal
WORKDIR /srv/flambeau
COPY wsgi.py gunicorn.conf.py ./
COPY docs/formats docs/formats
COPY governance governance
COPY migrations migrations
COPY app app
ENV PATH=/opt/portal/bin:$PATH FLAMBEAU_HOME=/var/lib/flambeau FLAMBEAU_BIND=0.0.0.0
RUN install -d -o flambeau -m 0700 /var/lib/flambeau /var/lib/flambeau-runner
USER 10001
EXPOSE 8000
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s \
  CMD ["python3", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
CMD ["gunicorn", "wsgi:create_app()"]

FROM base AS runner
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends g++ libvulkan1 mesa-vulkan-drivers python3-dev python3-venv \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /srv/flambeau
COPY app/runner runner
RUN install -d -o flambeau -m 0700 /var/lib/flambeau-runner
USER 10001
CMD ["python3", "-I", "runner", "--portal", "http://web:8000", "--token-file", "/var/lib/flambeau-runner/token", \
     "--home", "/var/lib/flambeau-runner/work", "--name", "compose", "--hardware", "linux-x86_64-cpu"]
