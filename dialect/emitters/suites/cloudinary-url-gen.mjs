// @cloudinary/url-gen. It leaves signing to others, so that node's crypto does it as Cloudinary
// documents it.
import { createHash } from "node:crypto";
import { Cloudinary } from "@cloudinary/url-gen";
import { format, quality, dpr } from "@cloudinary/url-gen/actions/delivery";
import { blur, grayscale } from "@cloudinary/url-gen/actions/effect";
import { crop, fill, fit, limitFill, limitFit, limitPad, pad, scale, thumbnail } from "@cloudinary/url-gen/actions/resize";
import { byAngle } from "@cloudinary/url-gen/actions/rotate";
import { max } from "@cloudinary/url-gen/actions/roundCorners";
import { autoGravity, compass } from "@cloudinary/url-gen/qualifiers/gravity";
import { target } from "../html.mjs";
import { keys } from "../keys.mjs";
import { cloudinary } from "../products.mjs";

const builds = {
  "scale, width": (i) => i.resize(scale().width(300)),
  scale: (i) => i.resize(scale().width(300).height(300)),
  fit: (i) => i.resize(fit().width(300).height(300)),
  "fit, larger": (i) => i.resize(fit().width(3000)),
  limitFit: (i) => i.resize(limitFit().width(3000)),
  fill: (i) => i.resize(fill().width(300).height(300)),
  "fill, gravity": (i) => i.resize(fill().width(300).height(300).gravity(compass("north_east"))),
  "fill, auto": (i) => i.resize(fill().width(300).height(300).gravity(autoGravity())),
  "fill, ratio": (i) => i.resize(fill().width(320).aspectRatio("16:9")),
  limitFill: (i) => i.resize(limitFill().width(300).height(200)),
  "limitFill, larger": (i) => i.resize(limitFill().width(3000).height(3000)),
  pad: (i) => i.resize(pad().width(300).height(300)),
  limitPad: (i) => i.resize(limitPad().width(300).height(300)),
  thumbnail: (i) => i.resize(thumbnail().width(150).height(150)),
  crop: (i) => i.resize(crop().width(300).height(200).gravity(compass("center"))),
  "format auto, quality auto": (i) => i.resize(scale().width(300)).delivery(format("auto")).delivery(quality("auto")),
  "format, quality": (i) => i.resize(scale().width(300)).delivery(format("webp")).delivery(quality(60)),
  dpr: (i) => i.resize(scale().width(300)).delivery(dpr("2.0")),
  rotate: (i) => i.resize(scale().width(300)).rotate(byAngle(90)),
  effects: (i) => i.resize(scale().width(300)).effect(blur(200)).effect(grayscale()),
  corners: (i) => i.resize(fill().width(300).height(300)).roundCorners(max()),
};

export function* cases(original) {
  const cloud = new Cloudinary({ cloud: { cloudName: "demo" }, url: { analytics: false } });
  const sources = [["upload", original.path.slice(1), "upload"]];
  if (original.url) {
    sources.push(["fetch", original.url, "fetch"]);
  }
  for (const [suite, id, type] of sources) {
    for (const signed of [false, true]) {
      for (const [what, build] of Object.entries(builds)) {
        const image = build(cloud.image(id).setDeliveryType(type));
        const sent = {};
        for (const component of image.transformation.toString().split("/")) {
          for (const part of component.split(",")) {
            const [name, ...value] = part.split("_");
            sent[name] ??= value.join("_");
          }
        }
        let url = target(image.toURL());
        if (signed) {
          url = sign(url, type);
        }
        yield { suite, case: what + (signed ? ", signed" : ""), dialect: "cloudinary", signed, url, ...cloudinary(original, sent) };
      }
    }
  }
}

// Signs what follows the delivery type, without a version.
function sign(url, type) {
  const at = url.indexOf(`/${type}/`) + type.length + 2;
  const message = url.slice(at).replace(/^v1\//, "").replace(/\/v1\//, "/");
  const signature = createHash("sha1").update(message + keys.cloudinary.secret).digest("base64url").slice(0, 8);
  return `${url.slice(0, at)}s--${signature}--/${url.slice(at)}`;
}
