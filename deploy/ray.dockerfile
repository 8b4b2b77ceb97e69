# docker build --file deploy/ray.dockerfile --tag inkdigits-ray .
FROM python:3.11-slim
RUN apt-get update && apt-get install --yes --no-install-recommends wget \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /build
COPY pyproject.toml README.md LICENSE ./
COPY src src
# Without constraints.txt: s3fs needs older releases of some packages. KubeRay needs ray[default].
RUN pip install --no-cache-dir '.[scale,formats]' 'ray[default]==2.60.0' s3fs \
 && useradd --uid 1000 --create-home ray
USER ray
WORKDIR /home/ray
