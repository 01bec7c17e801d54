// next/image's own loader, with its default configuration. In production it doesn't ask whether a
// host is configured.
import { createRequire } from "node:module";
import { within } from "../sizes.mjs";

process.env.NODE_ENV = "production";
const { getImageProps } = createRequire(import.meta.url)("next/image");

export function* cases(original) {
  for (const src of [original.path, original.url]) {
    if (!src) {
      continue;
    }
    const what = src === original.url ? "full URL" : "path";
    for (const image of [
      { width: 320, height: 213 },
      { width: 1000, height: 667, quality: 75 },
      { fill: true, sizes: "100vw" },
    ]) {
      const { props } = getImageProps({ src, alt: "", ...image });
      const candidates = props.srcSet.split(", ").map((candidate) => candidate.split(" ")[0]);
      for (const url of new Set([props.src, ...candidates])) {
        const w = Number(new URLSearchParams(url.slice(url.indexOf("?"))).get("w"));
        yield {
          case: `${what}, ${JSON.stringify(image)}, w ${w}`,
          url,
          accept: "image/webp,*/*",
          want: { ...within(original, { w }), format: "webp" },
        };
      }
    }
  }
}
