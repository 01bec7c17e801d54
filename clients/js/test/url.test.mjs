import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { test } from "node:test";
import { defaultWidths, sizes, tintype } from "../dist/index.js";

const base = "https://img.example.com/acme";
const image = tintype(base);

test("url", async (t) => {
  const cases = [
    ["a path", "photos/cat.jpg", undefined, "/photos/cat.jpg"],
    ["a slash in front", "/photos/cat.jpg", {}, "/photos/cat.jpg"],
    ["options in the order of their names", "photos/cat.jpg", { w: 400, h: 300, fit: "cover" }, "/photos/cat.jpg?fit=cover&h=300&w=400"],
    ["what is left out", "photos/cat.jpg", { w: 400, h: undefined, q: null }, "/photos/cat.jpg?w=400"],
    ["true and false", "photos/cat.gif", { anim: false, grayscale: true }, "/photos/cat.gif?anim=0&grayscale=1"],
    ["zero", "photos/cat.jpg", { pad: 0 }, "/photos/cat.jpg?pad=0"],
    ["lists", "photos/cat.jpg", { pad: [20, 40], rect: [0, 0, "50%", "50%"] }, "/photos/cat.jpg?pad=20%2C40&rect=0%2C0%2C50%25%2C50%25"],
    ["what a query can't hold", "photos/cat.jpg", { dl: "a&b;c+d%.jpg", ar: "16:9" }, "/photos/cat.jpg?ar=16:9&dl=a%26b%3Bc%2Bd%25.jpg"],
    ["a mark by its path", "photos/cat.jpg", { mark: "brand/logo.png" }, "/photos/cat.jpg?mark=brand/logo.png"],
    ["what a path can't hold", "photos/100% é?#.jpg", {}, "/photos/100%25%20%C3%A9%3F%23.jpg"],
    ["apostrophes", "photos/it's.jpg", { dl: "it's.jpg" }, "/photos/it%27s.jpg?dl=it%27s.jpg"],
    ["a full URL", "https://example.com/a.jpg?b=c&d", { w: 4 }, "?src=https://example.com/a.jpg%3Fb%3Dc%26d&w=4"],
    ["a full URL without its scheme", "//example.com/a.jpg", {}, "?src=https://example.com/a.jpg"],
    ["a URL of this workspace", base + "/photos/caf%C3%A9.jpg?w=100&q=50&exp=1&sig=2", { w: 400 }, "/photos/caf%C3%A9.jpg?q=50&w=400"],
    ["a URL of another workspace", base + "x/photos/cat.jpg", {}, "?src=https://img.example.com/acmex/photos/cat.jpg"],
  ];
  for (const [name, src, options, want] of cases) await t.test(name, () => assert.equal(image.url(src, options), base + want));
  assert.equal(image.url("data:image/png;base64,AA=="), "data:image/png;base64,AA==");
});

test("what the config says", () => {
  assert.equal(tintype({ url: base + "//", source: "photos" }).url("/a/cat.jpg"), base + "/photos/a/cat.jpg");
  assert.equal(tintype("https://acme.img.example.com/").url("photos/cat.jpg"), "https://acme.img.example.com/photos/cat.jpg");
  const defaults = tintype({ url: base, options: { q: 70, metadata: "copyright" } });
  assert.equal(defaults.url("photos/cat.jpg", { q: 50 }), base + "/photos/cat.jpg?metadata=copyright&q=50");
  assert.equal(defaults.url("photos/cat.jpg", { metadata: undefined }), base + "/photos/cat.jpg?q=70");
  process.env.TINTYPE_URL = "https://img.example.org/other";
  try {
    assert.equal(tintype().url("photos/cat.jpg"), "https://img.example.org/other/photos/cat.jpg");
  } finally {
    delete process.env.TINTYPE_URL;
  }
  assert.throws(() => tintype(), /missing: set url, or the variable TINTYPE_URL/);
  assert.throws(() => tintype("img.example.com"), /"img.example.com": set url/);
});

test("srcset by widths", () => {
  const of = (options, candidates) => image.srcset("a/b.jpg", options, candidates).replaceAll(base, "");
  assert.equal(of({ q: 50 }, { widths: [100, 200] }), "/a/b.jpg?q=50&w=100 100w, /a/b.jpg?q=50&w=200 200w");
  assert.equal(of({ w: 300, h: 200 }, { widths: [150, 600] }), "/a/b.jpg?h=100&w=150 150w, /a/b.jpg?h=400&w=600 600w");
  assert.equal(of({ ar: "3:2" }, { widths: [150] }), "/a/b.jpg?ar=3:2&w=150 150w");
  assert.deepEqual([...of().matchAll(/ (\d+)w/g)].map(([, w]) => +w), defaultWidths);
  const widths = (width) => [...of({}, { width }).matchAll(/ (\d+)w/g)].map(([, w]) => +w);
  assert.deepEqual(widths(1000), [320, 480, 640, 960, 1000]);
  assert.deepEqual(widths(960), [320, 480, 640, 960]);
  assert.deepEqual(widths(100), [100]);
});

test("srcset by device pixel ratios", () => {
  assert.equal(
    image.srcset("a/b.jpg", { w: 300 }, { dprs: [1, 1.5, 2] }).replaceAll(base, ""),
    "/a/b.jpg?w=300 1x, /a/b.jpg?dpr=1.5&w=300 1.5x, /a/b.jpg?dpr=2&w=300 2x",
  );
});

test("sizes", () => {
  assert.equal(sizes("100vw"), "100vw");
  assert.equal(sizes(300), "300px");
  assert.equal(sizes("100vw", { 640: "50vw", 1280: 600 }), "(min-width: 1280px) 600px, (min-width: 640px) 50vw, 100vw");
});

test("img", () => {
  const { srcset, ...img } = image.img("a/b.jpg", { q: 50 }, { width: 2400, height: 1600, sizes: "50vw", placeholder: true });
  assert.equal(Object.keys({ srcset, ...img }).at(-1), "src"); // what a script sets last
  assert.deepEqual(img, {
    src: base + "/a/b.jpg?q=50&w=1280",
    sizes: "50vw",
    width: 2400,
    height: 1600,
    style: `background:url("${base}/placeholder/thumbhash/a/b.jpg") center/cover no-repeat`,
  });
  assert.match(srcset, / 1920w, \S+ 2400w$/);
  assert.equal(image.img("a/b.jpg", {}, { width: 200, height: 100 }).src, base + "/a/b.jpg?w=200");
  // A crop has its own ratio, and an image of a fixed width that of the original.
  const size = ({ width, height }) => [width, height];
  assert.deepEqual(size(image.img("a/b.jpg", { w: 300, h: 300 }, { width: 2400, height: 1600 })), [300, 300]);
  assert.deepEqual(size(image.img("a/b.jpg", { w: 300 }, { dprs: [1, 2], width: 2400, height: 1600 })), [300, 200]);
  assert.equal(image.img("a/b.jpg", { w: 300 }, { dprs: [1, 2] }).src, base + "/a/b.jpg?w=300");
});

test("picture", () => {
  const { sources, img } = image.picture("a/b.jpg", { w: 300 }, { dprs: [1], formats: ["avif", "jpg"], sizes: "300px" });
  assert.deepEqual(sources, [
    { type: "image/avif", srcset: base + "/a/b.jpg?format=avif&w=300 1x", sizes: "300px" },
    { type: "image/jpeg", srcset: base + "/a/b.jpg?format=jpg&w=300 1x", sizes: "300px" },
  ]);
  // A cache in front that doesn't know Accept must not give an old browser a new format.
  assert.equal(img.src, base + "/a/b.jpg?format=original&w=300");
  assert.deepEqual(image.picture("a/b.jpg").sources.map(({ type }) => type), ["image/avif", "image/webp"]);
});

test("placeholders", () => {
  assert.equal(image.placeholder("a/b.jpg"), base + "/placeholder/thumbhash/a/b.jpg");
  assert.equal(image.placeholder("https://example.com/b.jpg", "color", { w: 4 }), base + "/placeholder/color?src=https://example.com/b.jpg&w=4");
});

test("a server that isn't there", async () => {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const away = `http://127.0.0.1:${server.address().port}/acme`;
  server.close();
  await once(server, "close");
  await assert.rejects(tintype(away).inline("a/b.jpg"), ({ message, cause }) => message.startsWith(away + "/placeholder/thumbhash/a/b.jpg") && cause.code === "ECONNREFUSED");
  await assert.rejects(tintype(away).info("a/b.jpg", undefined, { signal: AbortSignal.abort() }), { name: "AbortError" });
});
