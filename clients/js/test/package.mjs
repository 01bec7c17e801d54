// What would be published: npm packs it, and a program of a user compiles and runs with it. Names a folder where it is
// unpacked as node_modules/@tintype/client.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

const root = new URL("..", import.meta.url).pathname;
const folder = join(root, "test", ".packed");
const packed = join(folder, "node_modules/@tintype/client");
const manifest = JSON.parse(readFileSync(join(root, "package.json")));

rmSync(folder, { recursive: true, force: true });
mkdirSync(packed, { recursive: true });
const [{ filename, files, size }] = JSON.parse(execFileSync("npm", ["pack", "--json", "--ignore-scripts", "--pack-destination", folder], { cwd: root, encoding: "utf8" }));
execFileSync("tar", ["-xzf", join(folder, filename), "-C", packed, "--strip-components=1"]);

test("its files", (t) => {
  t.diagnostic(`${files.length} files, ${size} bytes`);
  const names = files.map(({ path }) => path).sort();
  for (const name of names) assert.match(name, /^(dist\/[a-z]+\.(js|d\.ts)|types\/images\.d\.ts|LICENSE|README\.md|package\.json)$/);
  for (const name of ["LICENSE", "README.md", "package.json"]) assert.ok(names.includes(name), name);
  assert.deepEqual(manifest.dependencies ?? {}, {});
  assert.ok(size < 100_000);
});

test("every export resolves", async () => {
  const check = [];
  for (const [name, target] of Object.entries(manifest.exports)) {
    for (const file of typeof target === "string" ? [target] : Object.values(target)) assert.ok(existsSync(join(packed, file)), `${name}: ${file}`);
    if (target.default) check.push(name.replace(".", "@tintype/client"));
  }
  const react = join(folder, "node_modules/react");
  mkdirSync(react);
  writeFileSync(join(react, "package.json"), readFileSync(join(root, "node_modules/react/package.json")));
  for (const file of readdirSync(join(root, "node_modules/react"))) if (file.endsWith(".js")) writeFileSync(join(react, file), readFileSync(join(root, "node_modules/react", file)));
  mkdirSync(join(react, "cjs"));
  for (const file of readdirSync(join(root, "node_modules/react/cjs"))) writeFileSync(join(react, "cjs", file), readFileSync(join(root, "node_modules/react/cjs", file)));
  writeFileSync(join(folder, "imports.mjs"), check.map((name, i) => `import * as m${i} from "${name}";\nif (!Object.keys(m${i}).length) throw new Error("${name} is empty");\n`).join(""));
  execFileSync(process.execPath, ["imports.mjs"], { cwd: folder, stdio: "pipe" });
  assert.equal(check.length, 10);
});

const program = `/// <reference types="@tintype/client/images" />
import { sign, signPicture, sizes, tintype, type ImageAttributes, type Options } from "@tintype/client";
import { blurhash, dataURL, thumbhash } from "@tintype/client/placeholder";
import { manage, pages, TintypeError, uploadLarge, type components, type Output } from "@tintype/client/manage";
import { loader } from "@tintype/client/next";
import nuxt from "@tintype/client/nuxt";
import { transform, transformer } from "@tintype/client/unpic";
import astro from "@tintype/client/astro";
import { enhanced } from "@tintype/client/sveltekit";
import { tintype as vite } from "@tintype/client/vite";
import cat from "tintype:photos/cat.jpg?w=400";

const image = tintype({ url: "https://img.example.com/acme", source: "photos" });
const options: Options = { w: 400, h: "50%", fit: "cover", gravity: "face", q: "auto", pad: [1, 2], anim: false, ar: "16:9" };
const img: ImageAttributes = image.img("cat.jpg", options, { widths: [1], sizes: sizes("100vw", { 640: 300 }) });
export const urls: string[] = [image.url("cat.jpg", options), img.srcset, await sign("/a/b/c.jpg", { secret: "00" }), cat.img.src];
export const width: number = cat.img.width;
export const picture = await signPicture(image.picture("cat.jpg"), { secret: "00" });
export const bytes: number = (await image.info("cat.jpg", ["metadata"])).metadata.bytes;
// @ts-expect-error: an option that is none
image.url("cat.jpg", { widht: 400 });
// @ts-expect-error: a value that is none
image.url("cat.jpg", { fit: "stretch" });
// @ts-expect-error: what info wasn't asked for
(await image.info("cat.jpg", ["metadata"])).blurhash;

const api = manage({ url: "https://img.example.com", key: "k" });
const workspace = await api("GET /v1/workspaces/{ns}", { path: { ns: "acme" } });
export const namespace: string = workspace.namespace;
export const sources: components["schemas"]["Source"][] = workspace.sources ?? [];
export const nothing: undefined = await api("DELETE /v1/workspaces/{ns}", { path: { ns: "acme" }, query: { revision: 3 } });
export const preview: Response = await api("POST /v1/workspaces/{ns}/marks/preview", { path: { ns: "acme" }, body: {} as never });
export const page: Output<"GET /v1/workspaces"> = await api("GET /v1/workspaces");
await api("POST /v1/workspaces/{ns}/images", { path: { ns: "acme" }, body: new FormData() });
export const purged: string = (await api("POST /v1/workspaces/{ns}/purge", { path: { ns: "acme" }, body: { source: "photos" } })).complete_by;
for await (const { images } of pages(api, "GET /v1/workspaces/{ns}/images", { path: { ns: "acme" }, query: { source: "photos" } })) images.map(({ path }): string => path);
export const uploaded: string = (await uploadLarge(api, "acme", { source: "photos", path: "cat.jpg", file: new Blob([]), progress: (sent: number) => sent, signal: AbortSignal.timeout(1000) })).sha256;
// @ts-expect-error: a file is missing
await uploadLarge(api, "acme", { source: "photos", path: "cat.jpg" });
// @ts-expect-error: it has no pages
pages(api, "GET /v1/plans");
// @ts-expect-error: no such operation
await api("GET /v1/nothing");
// @ts-expect-error: a parameter is missing
await api("GET /v1/workspaces/{ns}");
// @ts-expect-error: a value of another type
await api("GET /v1/workspaces", { query: { limit: "many" } });
export const code = (e: unknown) => (e instanceof TintypeError ? e.code : "");

export const rest = [dataURL(blurhash("x")), thumbhash("x").data, loader()({ src: "a", width: 1 }), nuxt().getImage("a", {}).url, transform("a", { width: 1 }), transformer(), astro.getURL, enhanced()("a").img.w, vite().name];
`;

for (const [resolution, module] of [["bundler", "esnext"], ["node16", "node16"]]) {
  test(`a program compiles with moduleResolution ${resolution}`, () => {
    writeFileSync(join(folder, "package.json"), '{"type":"module"}');
    writeFileSync(join(folder, "program.ts"), program);
    const compilerOptions = { target: "es2022", lib: ["es2022", "dom", "dom.iterable"], module, moduleResolution: resolution, strict: true, noEmit: true, skipLibCheck: false, types: [] };
    writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions, files: ["program.ts"] }));
    execFileSync(process.execPath, [join(root, "node_modules/typescript/bin/tsc"), "-p", folder], { stdio: "inherit" });
  });
}
