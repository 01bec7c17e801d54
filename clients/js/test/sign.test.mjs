import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { EdgeVM } from "@edge-runtime/vm";
import { buildSync } from "esbuild";
import { sign, signPicture, signSrcset, tintype } from "../dist/index.js";

const vectors = JSON.parse(readFileSync(new URL("../../../docs/signing-vectors.json", import.meta.url)));
const secret = vectors[0].secrets[0];

test("docs/signing-vectors.json", async (t) => {
  let valid = 0;
  for (const { name, secrets, target, result } of vectors) {
    const [, unsigned, signature] = /^(.*)[?&]sig=([^&]*)$/s.exec(target) ?? [];
    if (unsigned === undefined) continue;
    const outcomes = await Promise.all(secrets.map((secret) => sign(unsigned, { secret, expiresIn: 0 }).catch((error) => error)));
    await t.test(name, () => {
      const makes = outcomes.includes(target);
      // An expired URL has a right signature too.
      assert.equal(makes, result === "valid" || result === "SIGNATURE_EXPIRED", `${target}: ${outcomes}`);
      valid += makes;
    });
  }
  assert.ok(valid >= 20, `${valid} valid vectors`);
});

test("expiry", async () => {
  const exp = async (signing) => Number(/[?&]exp=(\d+)&sig=/.exec(await sign("/acme/photos/cat.jpg", { secret, ...signing }))?.[1]);
  const now = Math.floor(Date.now() / 1000);
  assert.ok(Math.abs((await exp({})) - now - 3600) <= 2);
  assert.ok(Math.abs((await exp({ expiresIn: 60 })) - now - 60) <= 2);
  assert.equal(await exp({ expires: new Date("2024-01-01T01:00:00Z") }), 1704070800);
  assert.equal(
    await sign("/acme/photos/cat.jpg?w=400", { secret, expires: new Date(1704070800_000) }),
    "/acme/photos/cat.jpg?w=400&exp=1704070800&sig=c5173e41c9aab6a6c71d3dce9664d056083a2a503dc94e71b4b0103f51c8535d",
  );
});

test("URLs with a host", async () => {
  const sig = "sig=45f62ecb8be7b9b2e8f9a4a0701c42ba9add452a1afd81087833d100414c90da";
  const options = { secret, expiresIn: 0 };
  assert.equal(await sign("https://img.example.com/acme/photos/cat.jpg?w=400", options), `https://img.example.com/acme/photos/cat.jpg?w=400&${sig}`);
  // In host form, the path form is what is signed.
  const host = "https://acme.img.example.com/photos/cat.jpg?w=400";
  assert.equal(await sign(host, { ...options, namespace: "acme" }), `${host}&${sig}`);
});

test("what can't be signed", async () => {
  for (const [url, message] of [
    ["photos/cat.jpg", /begins with \//],
    ["https://img.example.com", /no URL of an image/],
    ["/acme/photos/my cat.jpg", /percent-encoded/],
    ["/acme/photos/cat.jpg#top", /percent-encoded/],
    ["/acme/photos/cat.jpg?sig=1", /signed already/],
    ["/acme/photos/cat.jpg?exp=1", /has an exp already/],
  ]) {
    await assert.rejects(sign(url, { secret }), { name: "TypeError", message });
  }
  await assert.rejects(sign("/acme/photos/cat.jpg", { secret: secret.slice(2) }), /64 hex digits/);
  await assert.rejects(sign("/acme/photos/cat.jpg", { secret: process.env.NOT_SET }), /the signing secret is missing/);
});

test("srcsets and pictures", async () => {
  const image = tintype("https://img.example.com/acme");
  const expires = new Date(1704070800_000);
  const srcset = image.srcset("photos/cat.jpg", {}, { widths: [400, 800] });
  const signed = await signSrcset(srcset, { secret, expires });
  assert.match(signed, /^\S+\?w=400&exp=1704070800&sig=c5173e41[0-9a-f]{56} 400w, \S+\?w=800&exp=1704070800&sig=[0-9a-f]{64} 800w$/);

  const picture = await signPicture(image.picture("photos/cat.jpg", { w: 400, h: 300 }, { dprs: [1, 2] }), { secret, expiresIn: 600 });
  const urls = [picture.img.src, ...[picture.img, ...picture.sources].flatMap(({ srcset }) => srcset.split(", ").map((c) => c.split(" ")[0]))];
  assert.equal(urls.length, 7);
  const ends = new Set(urls.map((url) => /&exp=(\d+)&sig=[0-9a-f]{64}$/.exec(url)[1]));
  assert.equal(ends.size, 1);
  assert.deepEqual([picture.img.width, picture.img.height, picture.sources[0].type], [400, 300, "image/avif"]);
});

test("at the edge", async () => {
  const bundle = buildSync({ entryPoints: [new URL("../dist/index.js", import.meta.url).pathname], bundle: true, format: "iife", globalName: "tintype", write: false });
  const edge = new EdgeVM();
  edge.evaluate(bundle.outputFiles[0].text);
  assert.equal(edge.evaluate("typeof process + typeof Buffer + typeof require"), "undefinedundefinedundefined");
  assert.equal(
    await edge.evaluate(`tintype.sign("https://img.example.com/acme/photos/cat.jpg?w=400", { secret: "${secret}", expires: new Date(1704070800_000) })`),
    "https://img.example.com/acme/photos/cat.jpg?w=400&exp=1704070800&sig=c5173e41c9aab6a6c71d3dce9664d056083a2a503dc94e71b4b0103f51c8535d",
  );
});
