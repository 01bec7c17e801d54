import assert from "node:assert/strict";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

// What a page loads, minified and compressed, in bytes.
async function size(code) {
  const { outputFiles } = await build({
    stdin: { contents: code, resolveDir: new URL("../dist", import.meta.url).pathname },
    bundle: true,
    minify: true,
    format: "esm",
    write: false,
    external: ["react"],
  });
  return gzipSync(outputFiles[0].contents).length;
}

test("sizes", async (t) => {
  const builder = await size(`export { tintype, sizes } from "./index.js"`);
  for (const [name, bytes, most] of [
    ["the URL builder", builder, 1800],
    ["with signing", await size(`export * from "./index.js"`), 3000],
    ["the hashes", await size(`export * from "./placeholder.js"`), 2000],
    ["the loader of next/image", (await size(`export * from "./next.js"`)) - builder, 500],
    ["the component of React", (await size(`export * from "./react.js"`)) - builder, 1000],
    ["the management client", await size(`export * from "./manage.js"`), 1500],
  ]) {
    t.diagnostic(`${name}: ${bytes} bytes`);
    assert.ok(bytes > 0 && bytes < most, `${name}: ${bytes} bytes, not under ${most}`);
  }
});

test("no API of Node", async () => {
  // esbuild fails where a module imports one.
  for (const name of ["index", "placeholder", "manage", "next", "nuxt", "unpic", "astro", "sveltekit", "vite", "react"]) {
    await build({ entryPoints: [new URL(`../dist/${name}.js`, import.meta.url).pathname], bundle: true, platform: "browser", write: false, external: ["react"] });
  }
});
