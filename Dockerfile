# The image of Mortar: one program, its default configuration, no shell. Build it with: docker build -t mortar .
# Behind mirrors: --build-arg RUST_IMAGE=... --build-arg RUNTIME_IMAGE=... --build-arg DEBIAN_MIRROR=http://...
# --build-arg CRATES_MIRROR=sparse+https://...; Docker itself passes HTTP_PROXY, HTTPS_PROXY and NO_PROXY on.

ARG RUST_IMAGE=docker.io/library/rust:1.95-bookworm
# A C library, certificates and a user. Any image that has them does, with glibc not older than that of RUST_IMAGE.
ARG RUNTIME_IMAGE=gcr.io/distroless/cc-debian12:nonroot

FROM ${RUST_IMAGE} AS build
WORKDIR /build

# What the codecs are built with. The script is the one that people run, so there is one list.
ARG DEBIAN_MIRROR=""
COPY scripts/setup scripts/setup
RUN if [ -n "$DEBIAN_MIRROR" ]; then \
        find /etc/apt -name '*.sources' -o -name '*.list' | xargs -r sed -i "s|http://deb.debian.org|$DEBIAN_MIRROR|g"; \
    fi \
    && scripts/setup \
    && rm -rf /var/lib/apt/lists/*

ARG CRATES_MIRROR=""
RUN if [ -n "$CRATES_MIRROR" ]; then \
        printf '[source.crates-io]\nreplace-with = "mirror"\n[source.mirror]\nregistry = "%s"\n' "$CRATES_MIRROR" \
            >>"${CARGO_HOME:-$HOME/.cargo}/config.toml"; \
    fi

# Stack traces keep the names of functions; the lines would triple the image.
ENV CARGO_PROFILE_RELEASE_DEBUG=none CARGO_PROFILE_RELEASE_STRIP=debuginfo
# Jobs at once; as many as there are cores where it is empty. A small machine needs about 1.5 GiB for each.
ARG CARGO_BUILD_JOBS
# Dependencies, beside empty sources of our own: this takes nearly all the time, and only a change of a manifest or of
# the lock file repeats it.
COPY Cargo.toml Cargo.lock ./
COPY actors/Cargo.toml actors/
COPY fuzz/Cargo.toml fuzz/
COPY load/Cargo.toml load/
COPY vendor vendor
RUN mkdir -p src actors/src benches fuzz/src load/src \
    && touch src/lib.rs actors/src/lib.rs fuzz/src/lib.rs load/src/lib.rs benches/main.rs \
    && echo 'fn main() {}' >src/main.rs \
    && cargo build --release --locked --package mortar --bin mortar

# Our own code. The files may be older than what was built of the empty ones, and Cargo goes by their times.
COPY config.toml ./
COPY actors/src actors/src
COPY src src
RUN touch src/lib.rs src/main.rs actors/src/lib.rs \
    && cargo build --release --locked --package mortar --bin mortar \
    && install -D target/release/mortar /image/usr/local/bin/mortar \
    && install -D --mode=644 config.toml /image/etc/mortar/mortar.toml \
    && install -d --owner=65532 --group=65532 /image/var/lib/mortar

FROM ${RUNTIME_IMAGE}
LABEL org.opencontainers.image.title="Mortar" \
    org.opencontainers.image.description="An S3-compatible image server: any size, crop or format of a picture, by URL" \
    org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /image /
# By number, so that Kubernetes can see that it is not root.
USER 65532:65532
# Where relative paths of the configuration begin; a volume put here belongs to the user above.
WORKDIR /var/lib/mortar
EXPOSE 8080 8081
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["/usr/local/bin/mortar", "health", "--config", "/etc/mortar/mortar.toml"]
# Put another configuration over /etc/mortar/mortar.toml. Other commands: docker run --rm mortar check
ENTRYPOINT ["/usr/local/bin/mortar", "--config", "/etc/mortar/mortar.toml"]
