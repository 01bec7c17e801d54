// @imgproxy/imgproxy-js-core. It leaves signing to others, so that node's crypto does it as
// imgproxy documents it.
import { createHmac } from "node:crypto";
import { generateUrl } from "@imgproxy/imgproxy-js-core";
import { keys } from "../keys.mjs";
import { imgproxy } from "../products.mjs";

const options = [
  {},
  { width: 300 },
  { height: 200 },
  { width: 300, height: 300 },
  { width: 300, height: 300, resizing_type: "fill" },
  { width: 300, height: 300, resizing_type: "fill", gravity: { type: "nowe" } },
  { width: 300, height: 300, resizing_type: "fill", gravity: { type: "fp", x: 0.3, y: 0.8 } },
  { width: 300, height: 300, resizing_type: "fill", gravity: { type: "sm" } },
  { width: 3000, height: 1000, resizing_type: "fill" },
  { width: 3000, height: 3000, resizing_type: "fill-down" },
  { width: 300, height: 300, resizing_type: "force" },
  { width: 400, height: 300, resizing_type: "auto" },
  { width: 300, height: 400, resizing_type: "auto" },
  { width: 3000 },
  { width: 3000, enlarge: true },
  { width: 300, height: 300, extend: { extend: true } },
  { width: 300, dpr: 2 },
  { width: 300, zoom: 1.5 },
  { crop: { width: 800, height: 600 }, width: 400 },
  { width: 300, padding: { top: 10, right: 20 } },
  { width: 300, rotate: 90 },
  { width: 300, format: "webp", quality: 50 },
  { width: 300, format: "avif" },
  { width: 300, format: "png" },
  { width: 300, background: "ff8000", blur: 5, sharpen: 0.7 },
  { width: 300, strip_metadata: true, keep_copyright: true, auto_rotate: true },
  { width: 300, cachebuster: "abc", filename: { name: "x.jpg" } },
];

export function* cases(original) {
  const sources = [
    ["plain", original.path],
    ["base64", original.path],
  ];
  if (original.url) {
    sources.push(["plain", original.url], ["base64", original.url]);
  }
  for (const signed of [false, true]) {
    for (const [type, value] of sources) {
      for (const o of options) {
        const path = generateUrl({ value: type === "base64" ? Buffer.from(value).toString("base64url") : value, type }, structuredClone(o));
        yield {
          suite: type,
          case: `${value === original.url ? "full URL" : "path"}, ${JSON.stringify(o)}${signed ? ", signed" : ""}`,
          dialect: "imgproxy",
          signed,
          url: "/" + (signed ? sign(path) : "unsafe") + path,
          ...imgproxy(original, o),
        };
      }
    }
  }
}

export function sign(path) {
  const { secret, salt } = keys.imgproxy;
  return createHmac("sha256", Buffer.from(secret, "hex")).update(Buffer.from(salt, "hex")).update(path).digest("base64url");
}
