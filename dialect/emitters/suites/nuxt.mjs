// @nuxt/image's provider functions. meaning says what a product makes of nuxt's modifiers.
import cloudflare from "@nuxt/image/runtime/providers/cloudflare";
import ipx from "@nuxt/image/runtime/providers/ipx";
import ipxStatic from "@nuxt/image/runtime/providers/ipxStatic";
import netlify from "@nuxt/image/runtime/providers/netlifyImageCdn";
import vercel from "@nuxt/image/runtime/providers/vercel";
import { covered, exactly, within } from "../sizes.mjs";

const screens = { sm: 640, md: 768, lg: 1024, xl: 1280, xxl: 1536 };
const context = { options: { screens, nuxt: { baseURL: "/" } } };
const box = ({ width, height }) => ({ w: width, h: height });

// The width that nuxt asks Vercel for.
function screen({ width = 1536 }) {
  return { w: Object.values(screens).find((w) => w >= width) ?? 1536 };
}

const meanings = {
  cloudflare(original, m) {
    switch (m.fit) {
      case "cover":
        return exactly(original, box(m));
      case "contain":
        return within(original, box(m), true);
    }
    return within(original, box(m));
  },
  ipx(original, m) {
    switch (m.fit) {
      case "contain": // a frame of that size
        return exactly(original, box(m));
      case "inside":
        return within(original, box(m));
    }
    return covered(original, box(m));
  },
  netlify(original, m) {
    return m.fit === "cover" || m.fit === "fill" ? exactly(original, box(m)) : within(original, box(m), true);
  },
  vercel: (original, m) => within(original, screen(m)),
};

// negotiates says whether the product looks at Accept where a URL has no format.
const providers = {
  cloudflare: { provider: cloudflare, meaning: meanings.cloudflare, negotiates: false },
  ipx: { provider: ipx, meaning: meanings.ipx, negotiates: false },
  ipxStatic: { provider: ipxStatic, meaning: meanings.ipx, negotiates: false },
  netlify: { provider: netlify, meaning: meanings.netlify, negotiates: true },
  vercel: { provider: vercel, meaning: meanings.vercel, negotiates: true, formats: false },
};

// The first six are those of nuxt's own tests.
const modifiers = [
  {},
  { width: 200 },
  { height: 200 },
  { width: 200, height: 200 },
  { width: 200, height: 200, fit: "contain" },
  { width: 200, height: 200, fit: "contain", format: "jpeg" },
  { width: 300, height: 200, fit: "cover", format: "webp", quality: 60 },
];

export function* cases(original) {
  for (const [suite, { provider, meaning, negotiates, formats = true }] of Object.entries(providers)) {
    for (const src of [original.path, original.url]) {
      if (!src) {
        continue;
      }
      const what = src === original.url ? "full URL" : "path";
      for (const m of modifiers) {
        const { url } = provider().getImage(src, { modifiers: { ...m } }, context);
        if (url === src) {
          continue; // the original itself
        }
        const format = formats && m.format ? { format: m.format } : negotiates ? { format: "webp" } : {};
        yield {
          suite,
          case: `${what}, ${JSON.stringify(m)}`,
          url,
          accept: "image/webp,*/*",
          want: { ...meaning(original, m), ...format },
        };
      }
    }
  }
}
