// @imgix/js-core: URLs, source sets, and both with a signature.
import { createRequire } from "node:module";
import { target } from "../html.mjs";
import { keys } from "../keys.mjs";
import { imgix } from "../products.mjs";

const ImgixClient = createRequire(import.meta.url)("@imgix/js-core");

const params = [
  { w: 320 },
  { h: 200 },
  { w: 300, h: 300 },
  { w: 300, h: 300, fit: "crop" },
  { w: 300, h: 300, fit: "crop", crop: "top,left" },
  { w: 300, h: 300, fit: "crop", crop: "focalpoint", "fp-x": 0.2, "fp-y": 0.7 },
  { w: 300, h: 300, fit: "crop", crop: "faces,entropy" },
  { w: 300, h: 300, fit: "clamp" },
  { w: 300, h: 300, fit: "fill", fill: "solid", "fill-color": "336699" },
  { w: 3000, h: 3000, fit: "fillmax", fill: "blur" },
  { w: 3000, h: 1000, fit: "max" },
  { w: 3000, h: 3000, fit: "min" },
  { w: 300, h: 300, fit: "scale" },
  { w: 200, dpr: 2 },
  { w: 0.25 },
  { w: 400, ar: "16:9", fit: "crop" },
  { rect: "100,50,800,600", w: 400 },
  { w: 400, auto: "format" },
  { w: 400, auto: ["compress", "format"] },
  { w: 400, fm: "webp", q: 40 },
  { w: 400, fm: "avif" },
  { w: 400, fm: "png" },
  { w: 400, fm: "pjpg" },
  { w: 400, flip: "h", or: 90 },
  { w: 400, blur: 40, sat: -100, con: 20 },
  { w: 400, txt: "Tintype ünd" },
];

export function* cases(original) {
  for (const signed of [false, true]) {
    const client = new ImgixClient({ domain: "test.imgix.net", secureURLToken: signed ? keys.imgix.secret : undefined });
    const build = (p) => target(client.buildURL(original.path, p));
    const what = signed ? ", signed" : "";
    for (const p of params) {
      yield { suite: "buildURL", case: JSON.stringify(p) + what, dialect: "imgix", signed, url: build(p), ...imgix(original, p) };
    }
    for (const [p, options] of [
      [{ w: 150 }, {}],
      [{ w: 150, h: 150, fit: "crop" }, { devicePixelRatios: [1, 2, 3] }],
      [{ auto: "format" }, { minWidth: 100, maxWidth: 2000 }],
      [{ fit: "max" }, { widths: [200, 1000, 4000] }],
    ]) {
      for (const candidate of client.buildSrcSet(original.path, p, options).split(",\n")) {
        const url = target(candidate.split(" ")[0]);
        const sent = Object.fromEntries(new URLSearchParams(url.slice(url.indexOf("?"))));
        yield { suite: "buildSrcSet", case: `${JSON.stringify(p)} ${candidate.split(" ")[1]}${what}`, dialect: "imgix", signed, url, ...imgix(original, sent) };
      }
    }
    // A web proxy source of imgix has a full URL as its path.
    if (original.url) {
      const p = { w: 320 };
      yield { suite: "buildURL", case: "full URL" + what, dialect: "imgix", signed, url: target(client.buildURL(original.url, p)), ...imgix(original, p) };
    }
  }
}
