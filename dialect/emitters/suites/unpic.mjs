// unpic's providers. meaning says what a product makes of unpic's operations.
import { generate as cloudflare } from "unpic/providers/cloudflare";
import { generate as ipx } from "unpic/providers/ipx";
import { generate as netlify } from "unpic/providers/netlify";
import { generate as nextjs } from "unpic/providers/nextjs";
import { generate as vercel } from "unpic/providers/vercel";
import { covered, exactly, within } from "../sizes.mjs";

const widthOnly = (original, { width }) => within(original, { w: width });
const cover = (original, { width, height }) => exactly(original, { w: width, h: height });
const neverEnlarged = (original, { width, height }) => covered(original, { w: width, h: height });

const providers = {
  cloudflare: { generate: cloudflare, meaning: cover, formats: true },
  ipx: { generate: ipx, meaning: neverEnlarged, formats: true },
  netlify: { generate: netlify, meaning: cover, formats: true },
  nextjs: { generate: nextjs, meaning: widthOnly, formats: false },
  vercel: { generate: vercel, meaning: widthOnly, formats: false },
};

// The first two are those of unpic's own end-to-end test.
const operations = [
  { width: 96 },
  { width: 100, height: 50 },
  { width: 300, height: 400, quality: 60 },
  { width: 200, format: "jpg" },
  { width: 200, height: 100, format: "webp" },
];

export function* cases(original) {
  for (const [suite, { generate, meaning, formats }] of Object.entries(providers)) {
    for (const src of [original.path, original.url]) {
      if (!src) {
        continue;
      }
      const what = src === original.url ? "full URL" : "path";
      for (const o of operations) {
        const format = formats && o.format === "jpg" ? "jpeg" : "webp";
        yield {
          suite,
          case: `${what}, ${JSON.stringify(o)}`,
          url: generate(src, { ...o }, {}),
          accept: "image/webp,*/*",
          want: { ...meaning(original, o), format },
        };
      }
    }
  }
}
