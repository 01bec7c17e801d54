// @nuxt/image's provider functions. meaning says what a product makes of nuxt's modifiers.
import { register } from "node:module";
import cloudflare from "@nuxt/image/runtime/providers/cloudflare";
import cloudinary from "@nuxt/image/runtime/providers/cloudinary";
import imgix from "@nuxt/image/runtime/providers/imgix";
import imgproxy from "@nuxt/image/runtime/providers/imgproxy";
import ipx from "@nuxt/image/runtime/providers/ipx";
import ipxStatic from "@nuxt/image/runtime/providers/ipxStatic";
import netlify from "@nuxt/image/runtime/providers/netlifyImageCdn";
import vercel from "@nuxt/image/runtime/providers/vercel";
import { target } from "../html.mjs";
import { keys } from "../keys.mjs";
import * as products from "../products.mjs";
import { covered, exactly, within } from "../sizes.mjs";

// weserv's provider names a module of Nuxt's own, which it needs in development only.
register(`data:text/javascript,${encodeURIComponent(`
  export const resolve = (name, context, next) =>
    name === "#imports" ? { url: "data:text/javascript,export const createError = Error", shortCircuit: true } : next(name, context);
`)}`);
const { default: weserv } = await import("@nuxt/image/runtime/providers/weserv");

const screens = { sm: 640, md: 768, lg: 1024, xl: 1280, xxl: 1536 };
const context = { options: { screens, nuxt: { baseURL: "/" } } };
const box = ({ width, height }) => ({ w: width, h: height });

// The width that nuxt asks Vercel for.
function screen({ width = 1536 }) {
  return { w: Object.values(screens).find((w) => w >= width) ?? 1536 };
}

export const meanings = {
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

// Those of products whose URLs are all of a workspace's.
const whole = {
  imgix: { provider: imgix, options: () => ({ baseURL: "https://test.imgix.net" }), meaning: byQuery(products.imgix) },
  imgproxy: { provider: imgproxy, options: () => ({ baseURL: "https://imgproxy.test" }), meaning: asImgproxy, full: true },
  "imgproxy, signed": {
    dialect: "imgproxy",
    signed: true,
    provider: imgproxy,
    options: () => ({ baseURL: "https://imgproxy.test", key: keys.imgproxy.secret, salt: keys.imgproxy.salt }),
    meaning: asImgproxy,
    full: true,
  },
  "cloudinary, upload": { dialect: "cloudinary", provider: cloudinary, options: () => ({ baseURL: "https://res.cloudinary.com/demo/image/upload/" }), meaning: asCloudinary },
  "cloudinary, fetch": { dialect: "cloudinary", provider: cloudinary, options: () => ({ baseURL: "https://res.cloudinary.com/demo/image/fetch/" }), meaning: asCloudinary, full: "only" },
  weserv: { provider: weserv, options: (original) => ({ baseURL: new URL(original.url).origin }), meaning: byQuery(products.weserv), host: true },
};

function byQuery(product) {
  return (original, url) => product(original, Object.fromEntries(new URLSearchParams(url.slice(url.indexOf("?")))));
}

function asImgproxy(original, url, { fit, ...m }) {
  const both = m.width && m.height;
  const resizing_type = { cover: both && "fill", outside: both && "fill", fill: both && "force" }[fit] || "fit";
  return products.imgproxy(original, { ...m, resizing_type, extend: fit === "contain" && both });
}

function asCloudinary(original, url) {
  const component = url.split("/").find((segment) => segment.includes("f_"));
  return products.cloudinary(original, Object.fromEntries(component.split(",").map((part) => [part.slice(0, part.indexOf("_")), part.slice(part.indexOf("_") + 1)])));
}

export function* cases(original) {
  for (const [suite, { provider, options, meaning, dialect = suite, signed = false, full, host }] of Object.entries(whole)) {
    for (const src of [original.path, original.url]) {
      const isFull = src === original.url;
      if (!src || (isFull && !full) || (!isFull && full === "only") || (host && !original.url)) {
        continue;
      }
      for (const m of modifiers) {
        const url = target(provider().getImage(src, { modifiers: { ...m }, ...options(original) }, context).url);
        yield { suite, case: `${isFull ? "full URL" : "path"}, ${JSON.stringify(m)}`, dialect, signed, url, ...meaning(original, url, m) };
      }
    }
  }

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
