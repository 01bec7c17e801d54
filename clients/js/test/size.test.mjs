import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

const dist = new URL("../dist", import.meta.url).pathname;

// What a page loads, minified and compressed, in bytes. esbuild fails where a module imports an API of Node.
async function size(code) {
  const { outputFiles } = await build({
    stdin: { contents: code, resolveDir: dist },
    bundle: true,
    minify: true,
    format: "esm",
    platform: "browser",
    write: false,
    external: ["react"],
  });
  return gzipSync(outputFiles[0].contents).length;
}

test("sizes", async (t) => {
  const builder = await size(`export { tintype } from "./index.js"`);
  const react = await size(`export { createImage } from "./react.js"`);
  for (const [name, bytes, most] of [
    ["the URL builder", builder, 3000],
    ["the component of React, without the URL builder", react - builder, 1000],
  ]) {
    t.diagnostic(`${name}: ${bytes} bytes`);
    assert.ok(bytes > 0 && bytes < most, `${name}: ${bytes} bytes, not under ${most}`);
  }

  // The table of docs/clients.md says the size of each entry point.
  const page = readFileSync(new URL("../../../docs/clients.md", import.meta.url), "utf8");
  const rows = [...page.matchAll(/^\| `@tintype\/client(?:\/(\w+))?` \|.*\| (.*) \|$/gm)];
  const names = Object.keys(JSON.parse(readFileSync(new URL("../package.json", import.meta.url))).exports).filter((name) => !/json|images/.test(name));
  assert.deepEqual(rows.map(([, name]) => (name ? "./" + name : ".")).sort(), names.sort());
  const wrong = [];
  for (const [, name = "index", said] of rows) {
    const bytes = await size(`export * from "./${name}.js"; ${["nuxt", "astro"].includes(name) ? `export { default } from "./${name}.js"` : ""}`);
    t.diagnostic(`${name}: ${bytes} bytes`);
    const wants = name === "index" ? [builder, bytes] : [bytes];
    const kB = said.match(/[\d.]+(?= kB)/g) ?? [];
    if (kB.length) wrong.push(...wants.map((bytes, i) => [name, kB[i], bytes]).filter(([, said, bytes]) => Math.abs(said * 1000 - bytes) > 100));
    else assert.match(said, /^runs /);
  }
  assert.deepEqual(wrong, [], "docs/clients.md says another size");
});
