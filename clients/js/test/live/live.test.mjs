// Against a running server: TINTYPE_URL is the workspace demo in path form, TINTYPE_API_KEY the root key. It runs in test/.packed,
// where npm's package is what it imports.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { test } from "node:test";
import { sign, signPicture, tintype } from "@tintype/client";
import { manage, TintypeError, uploadLarge } from "@tintype/client/manage";
import { dataURL, thumbhash } from "@tintype/client/placeholder";
import { tintype as vite } from "@tintype/client/vite";
import { blocks, moduleOf } from "../snippets.mjs";

const image = tintype();
const api = manage();
const server = new URL(process.env.TINTYPE_URL).origin;

async function size(url) {
  const answer = await fetch(url, { headers: { Accept: "image/png" } });
  const bytes = Buffer.from(await answer.arrayBuffer());
  assert.equal(answer.status, 200, bytes.toString());
  // Parameters that the server doesn't know would change nothing.
  assert.equal(answer.headers.get("Tintype-Ignored"), null, url);
  return bytes.subarray(1, 4).toString() === "PNG" ? [bytes.readUInt32BE(16), bytes.readUInt32BE(20)] : answer.headers.get("Content-Type");
}

test("images", async () => {
  assert.deepEqual(await size(image.url("samples/dusk.jpg", { w: 300, format: "png" })), [300, 200]);
  assert.deepEqual(await size(image.url("samples/dusk.jpg", { w: 300, ar: "1:1", fit: "cover", rect: [0, 0, "50%", "50%"], pad: [1, 2], bg: "fff", format: "png" })), [304, 302]);
  const { img, sources } = image.picture("samples/dusk.jpg", {}, { widths: [200, 400] });
  for (const [i, { srcset }] of [...sources, img].entries()) {
    for (const url of srcset.split(", ").map((c) => c.split(" ")[0])) assert.equal(await size(url), ["image/avif", "image/webp", "image/jpeg"][i]);
  }
});

test("info and placeholders", async () => {
  const { metadata, thumbhash: hash } = await image.info("samples/dusk.jpg", ["metadata", "thumbhash"]);
  assert.deepEqual([metadata.width, metadata.height, metadata.format], [2400, 1600, "jpeg"]);
  assert.match(dataURL(thumbhash(hash)), /^data:image\/png;base64,/);
  const whole = await image.info("samples/dusk.jpg");
  assert.deepEqual([typeof whole.blurhash, whole.colors[0].hex.length, "vibrant" in whole.palette], ["string", 7, true]);
  assert.match(await image.inline("samples/dusk.jpg"), /^data:image\/webp;base64,/);
  assert.equal((await fetch(image.placeholder("samples/dusk.jpg", "color", { w: 4, h: 4 }))).status, 200);
  await assert.rejects(image.info("samples/none.jpg"), /404 NOT_FOUND/);
});

test("the plugin of Vite", async () => {
  const plugin = vite();
  const code = await plugin.load(plugin.resolveId("tintype:samples/dusk.jpg?w=300&dprs=1,2,3&formats=webp"));
  const { sources, img, placeholder } = JSON.parse(code.replace(/^export default |;$/g, ""));
  assert.equal(sources.length, 1);
  assert.deepEqual([img.width, img.height], [300, 200]);
  assert.match(img.srcset, / 1x, \S+dpr=2\S+ 2x, \S+ 3x$/);
  assert.match(placeholder, /^data:/);
  await assert.rejects(plugin.load(plugin.resolveId("tintype:samples/none.jpg")), /404/);
});

test("the management API", async () => {
  const path = { ns: "js-client" };
  const made = await api("POST /v1/workspaces", { body: { namespace: path.ns, sources: [{ key: "web", kind: "http", url: "https://origin.example.com/", private: true }] } });
  assert.deepEqual([made.namespace, made.sources[0].key], ["js-client", "web"]);
  const changed = await api("PATCH /v1/workspaces/{ns}", { path, body: { https_only: true } });
  assert.equal(changed.https_only, true);
  const listed = await api("GET /v1/workspaces", { query: { limit: 200 } });
  assert.ok(listed.workspaces.some(({ namespace }) => namespace === path.ns));
  const purged = await api("POST /v1/workspaces/{ns}/purge", { path, body: { source: "web" } });
  assert.ok(new Date(purged.complete_by) > 0);
  const explained = await api("GET /v1/workspaces/{ns}/explain", { path, query: { url: `${server}/js-client/web/cat.jpg?w=400` } });
  assert.equal(explained.code, "SIGNATURE_REQUIRED");
  assert.equal(await api("DELETE /v1/workspaces/{ns}", { path }), undefined);
  await assert.rejects(api("GET /v1/workspaces/{ns}", { path }), (error) => error instanceof TintypeError && error.status === 404 && error.code === "WORKSPACE_NOT_FOUND");
  await assert.rejects(manage({ key: "wrong" })("GET /v1/workspaces"), { status: 401 });
});

test("a large upload", async () => {
  // The source media is a bucket. The picture is large by what stands behind it.
  const picture = await (await fetch(image.url("samples/dusk.jpg", { format: "jpeg" }))).arrayBuffer();
  const file = new Blob([picture, new Uint8Array(24 * 1024 * 1024 - picture.byteLength)], { type: "image/jpeg" });
  const told = [];
  const upload = { source: "media", path: "large.jpg", file, progress: (sent) => told.push(sent) };
  const { bytes, metadata } = await uploadLarge(api, "demo", upload);
  assert.deepEqual([bytes, metadata.width, told.at(-1)], [file.size, 2400, file.size]);
  assert.ok(told.length > 2);
  assert.deepEqual(await size(image.url("media/large.jpg", { w: 300, format: "png" })), [300, 200]);
  await assert.rejects(uploadLarge(api, "demo", upload), { code: "CONFLICT" });
  const ended = new AbortController();
  await assert.rejects(uploadLarge(api, "demo", { ...upload, path: "ended.jpg", progress: () => ended.abort(), signal: ended.signal }), { name: "AbortError" });
  assert.equal((await fetch(image.url("media/ended.jpg"))).status, 404);
  // The test in Go looks that the bucket keeps nothing.
});

test("private images", async () => {
  // The workspace demo has a private source with the same pictures.
  const { secret } = await api("POST /v1/workspaces/{ns}/signing-keys", { path: { ns: "demo" }, body: {} });
  const url = image.url("private/dusk.jpg", { w: 200, format: "png" });
  assert.equal((await fetch(url)).status, 401);
  assert.deepEqual(await size(await sign(url, { secret })), [200, 133]);
  assert.equal((await fetch((await sign(url, { secret })).replace("w=200", "w=300"))).status, 403);
  const { img, sources } = await signPicture(image.picture("private/dusk.jpg", {}, { widths: [200, 400] }), { secret, expiresIn: 60 });
  for (const candidate of [img, ...sources].flatMap(({ srcset }) => srcset.split(", "))) await size(candidate.split(" ")[0]);
});

test("the code of the pages", async (t) => {
  const { secret } = await api("POST /v1/workspaces/{ns}/signing-keys", { path: { ns: "demo" }, body: {} });
  process.env.TINTYPE_SIGNING_SECRET = secret;
  // Its names are those of this server.
  const names = { "https://img.example.com/acme": process.env.TINTYPE_URL, "https://img.example.com": server, acme: "demo", photos: "samples", "cat.jpg": "dusk.jpg" };
  const replace = (text) => Object.entries(names).reduce((text, [from, to]) => text.replaceAll(from, to), text);
  const live = blocks(new URL("../../../../", import.meta.url)).filter(({ how }) => how === "live");
  assert.equal(live.length, 5);
  for (const [i, { name, code }] of live.entries()) {
    await t.test(name, async () => {
      const file = new URL(`live-${i}.mjs`, import.meta.url);
      writeFileSync(file, moduleOf(code, replace));
      await import(file);
    });
  }
});
