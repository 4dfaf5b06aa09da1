# syntax=docker/dockerfile:1
#
#   docker build -t corrente .
#   docker build -t corrente-zookeeper --target corrente-zookeeper .
#   docker buildx build --platform linux/amd64,linux/arm64 -t corrente .
#
# One recipe, two images: the program is the same, the role is not. There is no shell and nothing else in them, and no
# ENTRYPOINT: `docker run --rm corrente kafka-topics.sh --list ...` runs the tool of that name. Settings are variables:
# see docs/CONFIGURATION.md and `broker-shim/src/cli/image.rs`.

FROM --platform=$BUILDPLATFORM rust:1.95-bookworm AS build
ARG TARGETARCH
WORKDIR /src
COPY . .
RUN image/build.sh /out/corrente ${TARGETARCH:-$(dpkg --print-architecture)}
# The data folder is a tree of its own: what is copied gets its owner when it is copied.
RUN image/rootfs.sh /out/corrente /out/root && mkdir /out/data && mv /out/root/data /out/data/

FROM scratch AS base
COPY --from=build /out/root/ /
COPY --from=build --chown=1000:0 /out/data/ /
ENV PATH=/bin
WORKDIR /data
VOLUME /data
USER 1000:0
STOPSIGNAL SIGTERM

FROM base AS corrente-zookeeper
ENV CORRENTE_IMAGE=zookeeper
EXPOSE 2181
HEALTHCHECK --interval=10s --timeout=10s --start-period=5s --retries=3 CMD ["corrente", "healthcheck"]
CMD ["corrente", "zookeeper"]

FROM base AS corrente
ENV CORRENTE_IMAGE=broker
EXPOSE 9092
HEALTHCHECK --interval=10s --timeout=10s --start-period=5s --retries=3 CMD ["corrente", "healthcheck"]
CMD ["corrente", "server"]
