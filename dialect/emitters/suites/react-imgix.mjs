// react-imgix, rendered on a server: every URL of src and srcset, up to the original's width.
import { createRequire } from "node:module";
import { urlsOf } from "../html.mjs";
import { imgix } from "../products.mjs";

const require = createRequire(import.meta.url);
const { createElement } = require("react");
const { renderToStaticMarkup } = require("react-dom/server");
const { default: Imgix, Picture, Source } = require("react-imgix");

export const render = (props) => renderToStaticMarkup(createElement(Imgix, props));

export function* cases(original) {
  const src = `https://test.imgix.net${original.path}`;
  for (const [what, props] of [
    ["fluid", { src, sizes: "100vw" }],
    ["fixed", { src, width: 200, height: 200 }],
    ["parameters", { src, sizes: "50vw", imgixParams: { ar: "16:9", fit: "crop", auto: ["format", "compress"] } }],
    ["fluid, imgixParams fit max", { src, sizes: "100vw", imgixParams: { fit: "max", auto: "format" } }],
  ]) {
    for (const url of urlsOf(render(props))) {
      const sent = Object.fromEntries(new URLSearchParams(url.includes("?") ? url.slice(url.indexOf("?")) : ""));
      if (Number(sent.w ?? 0) * Number(sent.dpr ?? 1) <= original.w) {
        yield { suite: what, case: JSON.stringify(sent), dialect: "imgix", url, ...imgix(original, sent) };
      }
    }
  }
}
