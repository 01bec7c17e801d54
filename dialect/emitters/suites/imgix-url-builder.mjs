// imgix-url-builder, which Prismic's clients build URLs with.
import { buildURL, buildWidthSrcSet, buildPixelDensitySrcSet } from "imgix-url-builder";
import { target } from "../html.mjs";
import { imgix } from "../products.mjs";

export function* cases(original) {
  const base = `https://images.prismic.io${original.path}?auto=compress,format`;
  const urls = [
    buildURL(base, { w: 400 }),
    buildURL(base, { w: 400, h: 400, fit: "crop" }),
    buildURL(base, { w: 400, ar: "4:3", fit: "crop", fm: "png" }),
    buildURL(base, { rect: "200,100,1200,800", w: 600 }),
    ...buildWidthSrcSet(base, { widths: [640, 828, 1200, 2048] }).split(", "),
    ...buildPixelDensitySrcSet(base, { w: 300, pixelDensities: [1, 2, 3] }).split(", "),
  ];
  for (const candidate of urls) {
    const url = target(candidate.split(" ")[0]);
    const sent = Object.fromEntries(new URLSearchParams(url.slice(url.indexOf("?"))));
    yield { case: JSON.stringify(sent), dialect: "imgix", url, ...imgix(original, sent) };
  }
}
