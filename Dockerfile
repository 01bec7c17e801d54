# The image: docs/deploy.md says how to run it, and what can be chosen. make image-test builds and tries it.
#
# Everything is built on the machine's own platform and made for the target's. The image holds what the program needs and
# no shell, so it starts from nothing. The Debian below is where its libraries come from.
ARG BASE=golang:1.26-trixie

FROM --platform=$BUILDPLATFORM $BASE AS build
ARG TARGETARCH
WORKDIR /src
COPY deploy/image/target deploy/image/packages deploy/image/
RUN deploy/image/packages

# The package of Debian's source that the tests ran with, and the checksum of its .dsc. Where the mirror has it no more,
# the newest of VIPS_SUITE is taken.
ARG VIPS_SUITE=sid
ARG VIPS=8.18.6-1
ARG VIPS_SHA256=872e195965493eaa755c81335b1b2faa3320b497808f60d3225e98d7793749b7
COPY deploy/image/source deploy/image/libvips deploy/image/
RUN deploy/image/libvips

# The encoder of JPEGs is in the source of libjxl, in the same way.
ARG JXL_SUITE=trixie
ARG JXL=0.11.2-0.1~deb13u2
ARG JXL_SHA256=b978be4319975d73759f0737ba6935fad4f4330802835d6d9298a455c2581363
COPY deploy/image/jpegli deploy/image/
RUN deploy/image/jpegli

COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=dev
RUN deploy/image/compile

# Fonts for text in SVG, as packages of Debian. For Chinese, Japanese and Korean add fonts-noto-cjk, 90 MB.
ARG FONTS=fonts-dejavu-core
ARG SOURCE_DATE_EPOCH
RUN deploy/image/root /image

# What is in the image, as SPDX: docker build --target sbom --output .
FROM scratch AS sbom
COPY --from=build /image/usr/share/sbom/ /

FROM scratch
ARG VERSION=dev
ARG REVISION=
ARG CREATED=
LABEL org.opencontainers.image.title="Tintype" \
      org.opencontainers.image.description="An image-transformation CDN that you run yourself" \
      org.opencontainers.image.source="https://github.com/tintype/tintype" \
      org.opencontainers.image.documentation="https://github.com/tintype/tintype/blob/main/docs/deploy.md" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION" \
      org.opencontainers.image.created="$CREATED"
COPY --from=build /image/ /
COPY --from=build --chown=10001:10001 /empty /data
# Numbers, since Kubernetes can't tell of a name whether it is root.
USER 10001:10001
VOLUME /data
ENV PATH=/usr/local/bin TINTYPE_DATA=/data
# 8443 is where compose.yaml and the chart have it serve https, by UDP too.
EXPOSE 8080 8443 8443/udp
HEALTHCHECK --interval=10s --timeout=3s CMD ["tintype", "health"]
ENTRYPOINT ["tintype"]
CMD ["serve"]
