// unpic's providers. meaning says what a product makes of unpic's operations.
import { generate as cloudflare } from "unpic/providers/cloudflare";
import { generate as cloudinary } from "unpic/providers/cloudinary";
import { generate as imgix } from "unpic/providers/imgix";
import { generate as ipx } from "unpic/providers/ipx";
import { generate as netlify } from "unpic/providers/netlify";
import { generate as nextjs } from "unpic/providers/nextjs";
import { generate as vercel } from "unpic/providers/vercel";
import { generate as wsrv } from "unpic/providers/wsrv";
import { target } from "../html.mjs";
import * as products from "../products.mjs";
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
  for (const o of operations) {
    const what = JSON.stringify(o);
    let url = target(imgix(`https://test.imgix.net${original.path}`, { ...o }));
    yield { suite: "imgix", case: what, dialect: "imgix", url, ...products.imgix(original, query(url)) };
    url = target(cloudinary(`https://res.cloudinary.com/demo/image/upload${original.path}`, { ...o }));
    const sent = Object.fromEntries(url.split("/").find((segment) => segment.includes("c_lfill")).split(",").map((part) => part.split("_")));
    yield { suite: "cloudinary", case: what, dialect: "cloudinary", url, ...products.cloudinary(original, sent) };
    if (original.url) {
      url = target(wsrv(original.url, { ...o }));
      yield { suite: "wsrv", case: what, dialect: "weserv", url, ...products.weserv(original, query(url)) };
    }
  }

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

function query(url) {
  return Object.fromEntries(new URLSearchParams(url.slice(url.indexOf("?"))));
}
