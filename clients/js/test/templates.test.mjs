// The templates of Vue and Svelte in README.md, rendered by both.
import assert from "node:assert/strict";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { compile } from "svelte/compiler";
import { render } from "svelte/server";
import { createSSRApp } from "vue";
import { renderToString } from "vue/server-renderer";
import { tintype } from "../dist/index.js";

const page = readFileSync(new URL("../README.md", import.meta.url), "utf8");
const attributes = tintype("https://img.example.com/acme").img("photos/cat.jpg", { w: 400, h: 300, fit: "cover" }, { dprs: [1, 2], placeholder: "data:image/webp;base64,AA==" });

function snippet(language) {
  return new RegExp("^```" + language + " template\\n([^]*?)^```$", "m").exec(page)[1];
}

function hasAll(html) {
  html = html.replaceAll("&amp;", "&").replaceAll("&quot;", '"');
  for (const [name, value] of Object.entries({ ...attributes, alt: "A cat" })) {
    const ends = name === "style" ? ";?" : "";
    const text = String(value).replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
    assert.match(html, new RegExp(`${name}="${text}${ends}"`));
  }
}

test("Vue", async () => hasAll(await renderToString(createSSRApp({ template: snippet("vue"), data: () => ({ attributes }) }))));

test("Svelte", async () => {
  const file = new URL("../node_modules/.svelte-test.mjs", import.meta.url);
  writeFileSync(file, compile(`<script>let { attributes } = $props();</script>${snippet("svelte")}`, { generate: "server" }).js.code);
  try {
    const { default: Component } = await import(file);
    hasAll(render(Component, { props: { attributes } }).body);
  } finally {
    rmSync(file);
  }
});
