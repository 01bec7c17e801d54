# Debian 13, because its libvips 8.16 is about twice as fast as Debian 12's 8.14.
FROM golang:1.26-trixie AS build
WORKDIR /src
COPY scripts/install-deps scripts/
RUN scripts/install-deps
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=dev
RUN go build -trimpath -ldflags "-s -w -X main.version=$VERSION" -o /tintype ./cmd/tintype

FROM debian:trixie-slim
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates libvips42t64 \
      libheif-plugin-aomenc libheif-plugin-aomdec libheif-plugin-dav1d libheif-plugin-libde265 \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --uid 10001 --home-dir /data tintype \
 && install -d -o tintype -g tintype /data
COPY --from=build /tintype /usr/local/bin/tintype
USER tintype
VOLUME /data
ENV TINTYPE_DATA=/data
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s CMD ["tintype", "health"]
ENTRYPOINT ["tintype"]
CMD ["serve"]
