# Two stages: wheels are built where there may be tools, the image that runs has none of them.
FROM python:3.13-slim AS build
WORKDIR /build
RUN python -m venv /opt/quanpu
COPY pyproject.toml constraints.txt README.md ./
COPY app ./app
RUN /opt/quanpu/bin/pip install --no-cache-dir --no-compile . -c constraints.txt

FROM python:3.13-slim
ENV PATH=/opt/quanpu/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    LANG=C.UTF-8
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin quanpu
# Nothing below is written to at run time: start it with a read-only root if you like.
WORKDIR /srv/quanpu
COPY --from=build /opt/quanpu /opt/quanpu
COPY alembic.ini ./
COPY alembic ./alembic
USER 10001
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=15s --retries=3 \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/healthz', timeout=2)"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["quanpu"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8000"]
