# The image holds one static program and the public roots that the client of AWS asks the system for.
#   docker build --tag buildreach:0.1.0 .
#   docker buildx build --platform linux/amd64,linux/arm64 --tag registry.corp.example/buildreach:0.1.0 --push .
# The client of AWS takes minutes and 8 GB of memory to compile (docs/aws.md); without it: --build-arg FEATURES=
ARG RUST=1.95
FROM rust:${RUST}-bookworm AS build
ARG TARGETARCH
ARG FEATURES=aws
WORKDIR /src
COPY . .
# With --target the flags are those of the program alone: what runs while it is compiled cannot be static.
RUN set -eu; \
    case "${TARGETARCH:-$(dpkg --print-architecture)}" in \
    amd64) target=x86_64-unknown-linux-gnu ;; \
    arm64) target=aarch64-unknown-linux-gnu ;; \
    *) echo "no program for the architecture ${TARGETARCH}" >&2; exit 1 ;; \
    esac; \
    RUSTFLAGS="-C target-feature=+crt-static" \
    cargo build --locked --profile dist --features "${FEATURES}" --target "$target"; \
    install -D "target/$target/dist/buildreach" /image/buildreach

FROM scratch
LABEL org.opencontainers.image.title="buildreach" \
    org.opencontainers.image.description="Tells why a build cannot fetch its dependencies: which exact rule says no" \
    org.opencontainers.image.source="https://github.com/buildreach/buildreach" \
    org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /image/buildreach /buildreach
USER 65532:65532
ENTRYPOINT ["/buildreach"]
