// Writes pages as front ends make them with other projects' packages, as one JSON object: names and
// HTML. data-want of an img is its size in CSS pixels, and data-format the format of its picture;
// where there is none, it is one that the browser prefers.
//
//	node pages/pages.mjs --hosts=http://WORKSPACE.tintype.test --origin=http://127.0.0.1:8000
import { register } from "node:module";
import { parseArgs } from "node:util";
import { transformProps } from "@unpic/core";
import { render } from "../suites/react-imgix.mjs";

register(`data:text/javascript,${encodeURIComponent(`
  export const resolve = (name, context, next) =>
    name === "#imports" ? { url: "data:text/javascript,export const createError = Error", shortCircuit: true } : next(name, context);
`)}`);

const { values } = parseArgs({ options: { hosts: { type: "string" }, origin: { type: "string" } } });
const host = (workspace) => values.hosts.replace("WORKSPACE", workspace);

const escape = (text) => String(text).replaceAll("&", "&amp;").replaceAll('"', "&quot;");
function img(attributes) {
  const list = Object.entries(attributes).filter(([, value]) => value !== undefined && value !== null && typeof value !== "object");
  return `<img ${list.map(([name, value]) => `${name.replace("srcSet", "srcset")}="${escape(value)}"`).join(" ")}>`;
}

// Products whose URLs are made of the image's path, and whose host is a workspace.
const paths = {
  cloudflare: host("web"),
  netlifyImageCdn: host("web"),
  vercel: host("web"),
  ipx: host("web") + "/_ipx",
  imgix: host("imgix"),
  imgproxy: host("imgproxy"),
  cloudinary: host("cloudinary") + "/demo/image/upload/",
};

async function nuxt() {
  const list = [];
  for (const [name, baseURL] of Object.entries({ ...paths, weserv: values.origin })) {
    const { default: provider } = await import(`@nuxt/image/runtime/providers/${name}`);
    const context = { options: { screens: { sm: 320, md: 640 }, nuxt: { baseURL: "/" } } };
    const url = (width, height) => {
      const options = { modifiers: { width, height, fit: "cover", format: name === "vercel" ? undefined : "webp" }, baseURL };
      if (name === "weserv") {
        options.weservURL = host("weserv");
      } else if (["vercel", "netlifyImageCdn"].includes(name)) {
        options.baseURL = baseURL + { vercel: "/_vercel/image", netlifyImageCdn: "/.netlify/images" }[name];
      }
      return provider().getImage("/dusk.jpg", options, context).url;
    };
    // Vercel resizes by width alone.
    const [w, h] = name === "vercel" ? [320, 213] : [320, 320];
    list.push(img({ alt: name, src: url(w, h), srcset: `${url(w, h)} 1x, ${url(2 * w, 2 * h)} 2x`, width: w, height: h, "data-want": `${w}x${h}`, "data-format": name === "vercel" ? undefined : "webp" }));
  }
  return list;
}

function unpic() {
  const list = [];
  for (const [cdn, src, options] of [
    ["imgix", host("imgix") + "/dusk.jpg"],
    ["cloudinary", host("cloudinary") + "/image/upload/dusk.jpg"],
    ["cloudflare", "/dusk.jpg", { domain: new URL(host("web")).host }],
    ["nextjs", "/dusk.jpg", { baseUrl: host("web") }],
    ["vercel", "/dusk.jpg", { baseUrl: host("web"), prefix: "_vercel" }],
    ["netlify", "/dusk.jpg", { baseUrl: host("web") }],
    ["ipx", "/dusk.jpg", { baseURL: host("web") + "/_ipx" }],
  ]) {
    // Those of next and Vercel resize by width alone.
    const height = ["nextjs", "vercel"].includes(cdn) ? 213 : 320;
    const props = transformProps({ src, cdn, width: 320, height, layout: "fixed", options: { [cdn]: options } });
    const local = Object.fromEntries(Object.entries(props).map(([k, v]) => [k, typeof v === "string" ? v.replaceAll("https://", "http://") : v]));
    list.push(img({ ...local, alt: cdn, "data-want": `320x${height}` }));
  }
  return list;
}

function reactImgix() {
  const base = { src: host("imgix") + "/dusk.jpg" };
  return [
    render({ ...base, width: 320, height: 320, imgixParams: { fit: "crop", auto: "format" }, htmlAttributes: { alt: "fixed", "data-want": "320x320" } }),
    render({ ...base, sizes: "320px", imgixParams: { auto: "format" }, htmlAttributes: { alt: "fluid", width: 320, "data-want": "320x213", "data-fluid": "1" } }),
  ].map((html) => html.replaceAll("https://", "http://"));
}

const page = (list) => `<!doctype html><meta charset="utf-8"><style>body{margin:0;display:flex;flex-wrap:wrap;align-items:start;gap:8px}</style>\n${list.join("\n")}\n`;
process.stdout.write(JSON.stringify({ nuxt: page(await nuxt()), unpic: page(unpic()), "react-imgix": page(reactImgix()) }));
