import assert from "node:assert/strict";
import { test } from "node:test";
import { transformBaseImageProps } from "@unpic/core/base";
import { createElement } from "react";
import { renderToStaticMarkup } from "react-dom/server";
import astro from "../dist/astro.js";
import { loader } from "../dist/next.js";
import nuxt from "../dist/nuxt.js";
import { createImage, props } from "../dist/react.js";
import { tintype } from "../dist/url.js";
import { enhanced } from "../dist/sveltekit.js";
import { extract, generate, transform, transformer } from "../dist/unpic.js";
import { tintype as vite } from "../dist/vite.js";

const url = "https://img.example.com/acme";

test("next/image", () => {
  const load = loader(url);
  assert.equal(load({ src: "/photos/my%20cat.jpg", width: 640, quality: 75 }), url + "/photos/my%20cat.jpg?q=75&w=640");
  assert.equal(load({ src: "photos/100%.jpg", width: 640 }), url + "/photos/100%25.jpg?w=640");
  assert.equal(load({ src: "https://cms.example.com/a.jpg", width: 64 }), url + "?src=https://cms.example.com/a.jpg&w=64");
  const site = loader({ url, source: "site" });
  assert.equal(site({ src: "/_next/static/media/cat.0a1b.jpg", width: 64 }), url + "/site/_next/static/media/cat.0a1b.jpg?w=64");
});

test("@nuxt/image", () => {
  const get = (modifiers, options) => nuxt().getImage("/photos/cat.jpg", { modifiers, baseURL: url, ...options }).url.replace(url, "");
  assert.equal(get({ width: 400, height: "300px", quality: "70", format: "webp" }), "/photos/cat.jpg?fit=cover&format=webp&h=300&q=70&w=400");
  assert.equal(get({ width: 400, fit: "fill", background: "#fff", blur: 3 }), "/photos/cat.jpg?bg=fff&blur=3&fit=squeeze&w=400");
  assert.equal(get({ fit: "inside", gravity: "face" }), "/photos/cat.jpg?fit=scale-down&gravity=face");
  assert.equal(get(undefined, { source: "site" }), "/site/photos/cat.jpg");
});

test("unpic", () => {
  const options = { url };
  assert.equal(generate("photos/cat.jpg", { width: 400, height: 300 }, options), url + "/photos/cat.jpg?fit=cover&h=300&w=400");
  assert.equal(generate("photos/cat.jpg", { width: "400.4", quality: "auto", gravity: "face" }, options), url + "/photos/cat.jpg?gravity=face&q=auto&w=400");
  const made = generate(new URL("https://cms.example.com/a.jpg?x=1"), { width: 400, format: "webp" }, options);
  assert.equal(made, url + "?src=https://cms.example.com/a.jpg%3Fx%3D1&format=webp&w=400");

  // extract gives back what generate was given.
  assert.deepEqual(extract(made, options), { src: "https://cms.example.com/a.jpg?x=1", operations: { width: 400, format: "webp" }, options });
  const signed = extract(url + "/photos/a%20b.jpg?w=400&height=300&q=auto&blur=2&exp=1&sig=2", options);
  assert.deepEqual(signed, { src: url + "/photos/a%20b.jpg", operations: { width: 400, height: 300, quality: "auto", blur: "2" }, options });
  assert.equal(generate(signed.src, signed.operations, options), url + "/photos/a%20b.jpg?blur=2&fit=cover&h=300&q=auto&w=400");
  assert.equal(extract("https://cms.example.com/a.jpg", options), null);
  assert.equal(extract(url + "x/photos/a.jpg", options), null);

  assert.equal(transform(url + "/photos/cat.jpg?w=400&q=50", { width: 800 }, options), url + "/photos/cat.jpg?q=50&w=800");
  assert.equal(transform("photos/cat.jpg", { width: 800 }, options), url + "/photos/cat.jpg?w=800");
});

test("unpic's components", () => {
  const props = transformBaseImageProps({ src: "photos/cat.jpg", width: 400, height: 300, layout: "constrained", transformer: transformer(url) });
  assert.equal(props.src, url + "/photos/cat.jpg?fit=cover&h=300&w=400");
  assert.match(props.srcset, /\/photos\/cat\.jpg\?fit=cover&h=600&w=800 800w/);
  assert.equal(props.sizes, "(min-width: 400px) 400px, 100vw");
});

test("Astro", async () => {
  const config = (config) => ({ service: { config: { url, ...config } } });
  const of = async (options, c = config()) => {
    const valid = await astro.validateOptions(options, c);
    const at = (o) => astro.getURL(o, c).replace(url, "");
    return { src: at(valid), srcset: astro.getSrcSet(valid, c).map(({ transform, descriptor }) => `${at(transform)} ${descriptor}`), attributes: await astro.getHTMLAttributes(valid, c) };
  };
  const fixed = await of({ src: "/photos/cat.jpg", width: 300, height: 200, alt: "", fit: "cover", position: "left top", quality: "high", background: "#eee" });
  assert.equal(fixed.src, "/photos/cat.jpg?bg=eee&fit=cover&gravity=northwest&h=200&q=80&w=300");
  assert.deepEqual(fixed.srcset.map((c) => c.replace(/^.*(h=\d+).*(w=\d+)/, "$1 $2")), ["h=200 w=300 1x", "h=400 w=600 2x"]);
  assert.deepEqual(fixed.attributes, { loading: "lazy", decoding: "async", width: 300, height: 200, alt: "" });
  const wide = await of({ src: "/photos/cat.jpg", width: 300, height: 200, widths: [600, 300, 600], sizes: "50vw", loading: "eager" });
  assert.deepEqual(wide.srcset, ["/photos/cat.jpg?w=300 300w", "/photos/cat.jpg?w=600 600w"]);
  assert.equal(wide.attributes.sizes, "50vw");

  // Images that modules import are files of the site.
  const imported = { src: "/_astro/cat.0a1b.jpg", width: 2400, height: 1600, format: "jpg" };
  assert.equal((await of({ src: imported, width: 300 }, config({ source: "site" }))).src, "/site/_astro/cat.0a1b.jpg?w=300");
  assert.equal((await of({ src: imported, height: 200 }, config({ source: "site" }))).src, "/site/_astro/cat.0a1b.jpg?w=300");
  assert.equal((await of({ src: imported }, config({ source: "site" }))).src, "/site/_astro/cat.0a1b.jpg?w=2400");
  await assert.rejects(of({ src: imported }), /set "source" of the image service/);
  // While one develops, they are shown as they are.
  const local = await of({ src: { ...imported, src: "/src/cat.jpg?origWidth=2400&origHeight=1600&origFormat=jpg" }, width: 300 });
  assert.deepEqual([local.src, local.srcset], ["/src/cat.jpg?origWidth=2400&origHeight=1600&origFormat=jpg", []]);
});

test("SvelteKit's enhanced images", () => {
  const picture = enhanced(url);
  assert.deepEqual(picture("photos/cat.jpg", { w: 300, h: 200 }, { dprs: [1] }), {
    sources: { avif: url + "/photos/cat.jpg?format=avif&h=200&w=300 1x", webp: url + "/photos/cat.jpg?format=webp&h=200&w=300 1x" },
    img: { src: url + "/photos/cat.jpg?format=original&h=200&w=300", w: 300, h: 200 },
  });
  assert.throws(() => picture("photos/cat.jpg"), /give the width and height/);
});

test("Vite", () => {
  const plugin = vite(url);
  const id = plugin.resolveId("tintype:photos/cat.jpg?w=400");
  assert.match(id, /^\0.*\.js$/); // no file, and no image
  assert.equal(plugin.resolveId("./cat.jpg"), undefined);
  assert.equal(plugin.load("/src/main.js"), undefined);
});

test("React", () => {
  const Image = createImage(url);
  const html = (props) => renderToStaticMarkup(createElement(Image, { src: "photos/cat.jpg", width: 300, height: 200, alt: "a cat", ...props })).replaceAll("&amp;", "&").replaceAll("&quot;", '"');
  const fixed = html();
  assert.match(fixed, /srcSet="\S+\/photos\/cat\.jpg\?fit=cover&h=200&w=300 1x, \S+dpr=2\S+ 2x"/i);
  for (const part of ['width="300"', 'height="200"', 'loading="lazy"', 'alt="a cat"', `src="${url}/photos/cat.jpg?fit=cover&h=200&w=300"`]) assert.ok(fixed.includes(part), `${part}: ${fixed}`);
  assert.ok(!fixed.includes("style"));
  const wide = html({ sizes: "50vw", options: { gravity: "face" }, placeholder: true, loading: "eager", style: { color: "red" } });
  assert.match(wide, /h=213&w=320 320w,/);
  for (const part of ['sizes="50vw"', "gravity=face", 'loading="eager"', `url("${url}/placeholder/thumbhash/photos/cat.jpg")`, "color:red"]) assert.ok(wide.includes(part), `${part}: ${wide}`);
});

test("React's names for attributes", async () => {
  const img = tintype(url).img("photos/cat.jpg", { w: 300, h: 200 }, { dprs: [1, 2], placeholder: "data:image/webp;base64,AA==" });
  const html = renderToStaticMarkup(createElement("img", { ...props(img), alt: "a cat" })).replaceAll("&amp;", "&").replaceAll("&quot;", '"');
  for (const part of [`srcSet="${img.srcset}"`, `src="${img.src}"`, 'width="300"', 'height="200"', `style="${img.style}"`]) assert.ok(html.includes(part), `${part}: ${html}`);
  assert.ok(!("style" in props(tintype(url).img("photos/cat.jpg"))));
});
