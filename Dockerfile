# cxrbench on CPUs:
#   docker build -t cxrbench .
#   docker run --rm -v cxrbench-cache:/cache -v "$PWD:/work" --user "$(id -u):$(id -g)" cxrbench run --trials 50
FROM python:3.12-slim-bookworm AS build
# The version of the wheel, because git and its tags are not part of the build: --build-arg VERSION=0.2.0
ARG VERSION=0.1.0
COPY . /source
RUN SETUPTOOLS_SCM_PRETEND_VERSION_FOR_CXRBENCH="$VERSION" pip wheel --no-cache-dir --no-deps --wheel-dir /wheels /source

FROM python:3.12-slim-bookworm
RUN --mount=type=bind,from=build,source=/wheels,target=/wheels \
    pip install --no-cache-dir "$(echo /wheels/*.whl)[dicom]"
# Any user may write here: `--user` gives results in /work the owner that you want.
RUN useradd --create-home --uid 1000 cxrbench && install -d -m 1777 /cache /work
ENV CXRBENCH_HOME=/cache KERAS_HOME=/cache/keras
VOLUME /cache
WORKDIR /work
USER 1000
ENTRYPOINT ["cxrbench"]
CMD ["--help"]
