// thumbor-lite and thumbor-url-builder.
import { createRequire } from "node:module";
import { target } from "../html.mjs";
import { keys } from "../keys.mjs";
import { thumbor } from "../products.mjs";

const require = createRequire(import.meta.url);
const builders = { "thumbor-lite": require("thumbor-lite"), "thumbor-url-builder": require("thumbor-url-builder") };

const builds = [
  ["resize", (t) => t.resize(300, 200), { w: 300, h: 200 }],
  ["resize, ratio of its own", (t) => t.resize(300, 300), { w: 300, h: 300 }],
  ["resize, larger", (t) => t.resize(3000, 3000), { w: 3000, h: 3000 }],
  ["resize, width", (t) => t.resize(300, 0), { w: 300 }],
  ["resize, height", (t) => t.resize(0, 300), { h: 300 }],
  ["smart", (t) => t.resize(300, 300).smartCrop(true), { w: 300, h: 300 }],
  ["align", (t) => t.resize(300, 300).halign("left").valign("bottom"), { w: 300, h: 300 }],
  ["flip", (t) => t.resize(300, 300).flipHorizontally().flipVertically(), { w: 300, h: 300 }],
  ["fit-in", (t) => t.fitIn(300, 300), { w: 300, h: 300, fit: "fit-in" }],
  ["fit-in, larger", (t) => t.fitIn(3000, 3000), { w: 3000, h: 3000, fit: "fit-in" }],
  ["fit-in, upscale", (t) => t.fitIn(3000, 3000).filter("upscale()"), { w: 3000, h: 3000, fit: "fit-in", upscale: true }],
  ["crop", (t) => t.crop(100, 50, 900, 650).resize(400, 0), { w: 400, crop: { w: 800, h: 600 } }],
  ["format", (t) => t.resize(300, 200).filter("format(webp)"), { w: 300, h: 200, format: "webp" }],
  ["filters", (t) => t.resize(300, 200).filter("blur(7)").filter("grayscale()").filter("quality(60)"), { w: 300, h: 200 }],
];

export function* cases(original) {
  for (const [suite, Builder] of Object.entries(builders)) {
    for (const signed of [false, true]) {
      for (const [what, build, asked] of builds) {
        const t = new Builder(signed ? keys.thumbor.secret : undefined, "https://thumbor.test");
        const url = target(build(t.setImagePath(original.path)).buildUrl());
        yield { suite, case: what + (signed ? ", signed" : ""), dialect: "thumbor", signed, url, ...thumbor(asked.crop ?? original, asked) };
      }
    }
  }
}
