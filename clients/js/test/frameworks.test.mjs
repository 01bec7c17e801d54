// The loaders that the playground shows to copy make the URLs that the package makes.
import assert from "node:assert/strict";
import { test } from "node:test";
import { build, transform } from "esbuild";
import { loader } from "../dist/next.js";
import nuxt from "../dist/nuxt.js";

const { outputFiles } = await build({ entryPoints: [new URL("../../../server/web/static/frameworks.js", import.meta.url).pathname], bundle: true, format: "esm", write: false });
const { framework } = await import("data:text/javascript;base64," + Buffer.from(outputFiles[0].contents).toString("base64"));

const base = "https://img.example.com";

function text(name, options, src = "photos/a b/cat.jpg") {
  return framework(name, { base, namespace: "acme", src, options: new Map(options), shown: { width: 400, height: 300 }, url: String, tag: "" });
}

/** The function that a text has between two words. */
function functionOf(text, from, to) {
  return new Function("return " + text.slice(text.indexOf(from), text.indexOf(to)).trim())();
}

const cases = [
  [[["w", "400"]], {}],
  [[["w", "400"], ["sharpen", "2"], ["gravity", "face"]], { sharpen: 2, gravity: "face" }],
  [[["w", "400"], ["h", "300"], ["fit", "cover"]], { ar: "400:300", fit: "cover" }],
];

test("of next/image", () => {
  for (const [options, rest] of cases) {
    const shown = functionOf(text("next", options), "function", "\n\n// next.config");
    const own = loader({ url: `${base}/acme`, source: "photos", options: rest });
    for (const props of [{ src: "a b/cat.jpg", width: 640 }, { src: "cat.jpg", width: 1080, quality: 50 }]) assert.equal(shown(props), own(props));
  }
  const fixed = functionOf(text("next", [["q", "60"]]), "function", "\n\n// next.config");
  assert.equal(fixed({ src: "cat.jpg", width: 640, quality: 90 }), `${base}/acme/photos/cat.jpg?q=60&w=640`);
  const byURL = functionOf(text("next", [], "https://origin.example.com/cat.jpg"), "function", "\n\n// next.config");
  assert.equal(byURL({ src: "https://origin.example.com/cat.jpg", width: 640 }), `${base}/acme?src=https%3A%2F%2Forigin.example.com%2Fcat.jpg&w=640`);
});

test("of @nuxt/image", () => {
  for (const [options, rest] of cases) {
    const { getImage } = functionOf(text("nuxt", options).replace("defineProvider(", "(").replace("export default", ""), "({", "\n\n// nuxt.config");
    for (const modifiers of [{ width: 640 }, { width: 1080, quality: 50 }]) {
      assert.equal(getImage("cat.jpg", { modifiers }).url, nuxt().getImage("cat.jpg", { modifiers: { ...rest, ...modifiers }, baseURL: `${base}/acme`, source: "photos" }).url);
    }
  }
});

test("of names with quotes", async () => {
  const src = `photos/it's "new" & \\.jpg`;
  const shown = text("next", [["w", "400"], ["dl", "it's.jpg"]], src);
  assert.ok(shown.includes("?dl=it%27s.jpg&"));
  const { code } = await transform(shown.slice(shown.indexOf("<Image")), { loader: "jsx", jsxFactory: "made" });
  assert.equal(new Function("made", "Image", "return " + code)((_, { src }) => src), src.slice("photos/".length));
});
