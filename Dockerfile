# docker build --tag inkdigits . && docker run --rm --read-only --publish 127.0.0.1:8000:8000 inkdigits
FROM python:3.11-slim AS build
WORKDIR /build
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY src src
RUN python -m venv /opt/inkdigits \
 && /opt/inkdigits/bin/pip install --no-cache-dir --constraint constraints.txt '.[serve]' \
 && /opt/inkdigits/bin/python -m compileall -q /opt/inkdigits

FROM python:3.11-slim
COPY --from=build /opt/inkdigits /opt/inkdigits
# Nothing is written at run time but the corrections, where they are asked for: --keep-corrections.
ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 PATH=/opt/inkdigits/bin:$PATH
RUN useradd --uid 10001 --no-create-home inkdigits \
 && install --directory --owner inkdigits /corrections
USER 10001
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 CMD ["python", "-c", \
 "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/v2/health/ready', timeout=2)"]
ENTRYPOINT ["inkdigits", "serve", "--host", "0.0.0.0", "--no-browser"]
