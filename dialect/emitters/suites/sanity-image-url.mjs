// @sanity/image-url. Sanity's URLs have imgix's parameters; the name of an asset has its size.
import { createImageUrlBuilder } from "@sanity/image-url";
import { target } from "../html.mjs";
import { imgix } from "../products.mjs";

export function* cases(original) {
  const builder = createImageUrlBuilder({ projectId: "tintype1", dataset: "production" });
  const image = { asset: { _ref: `image-${"0123456789abcdef".repeat(2)}-${original.w}x${original.h}-jpg` } };
  const hotspot = { ...image, crop: { left: 0.1, right: 0.1, top: 0, bottom: 0.25 }, hotspot: { x: 0.3, y: 0.4, width: 0.2, height: 0.2 } };
  for (const [what, url] of Object.entries({
    plain: builder.image(image),
    width: builder.image(image).width(300),
    "width and height": builder.image(image).width(300).height(300),
    "fit crop": builder.image(image).width(300).height(300).fit("crop").crop("entropy"),
    "fit max": builder.image(image).width(3000).fit("max"),
    "fit min": builder.image(image).width(3000).height(3000).fit("min"),
    "fit clip": builder.image(image).size(300, 300).fit("clip").ignoreImageParams(),
    "fit fillmax": builder.image(image).size(300, 300).fit("fillmax").bg("ff8000"),
    hotspot: builder.image(hotspot).size(400, 300),
    "hotspot, width": builder.image(hotspot).width(400),
    dpr: builder.image(image).width(200).dpr(2),
    "auto format": builder.image(image).width(300).auto("format"),
    "format, quality": builder.image(image).width(300).format("webp").quality(40),
    effects: builder.image(image).width(300).blur(30).sharpen(10).saturation(-100),
    orientation: builder.image(image).width(300).orientation(90),
  })) {
    const sent = target(url.url());
    const p = Object.fromEntries(new URLSearchParams(sent.includes("?") ? sent.slice(sent.indexOf("?")) : ""));
    yield { case: what, dialect: "imgix", url: sent, ...imgix(original, p) };
  }
}
