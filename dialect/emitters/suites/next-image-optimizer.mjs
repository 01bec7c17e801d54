// What Next.js's integration test of its image optimizer asks for (test/integration/image-optimizer),
// with this origin's pictures: statuses, formats by Accept, widths, and headers. want of an error is its status.
import { within } from "../sizes.mjs";

const png = { w: 1600, h: 1000 };
const gif = { w: 480, h: 320 };
const safari = "image/png,image/svg+xml,image/*;q=0.8,video/*;q=0.8,*/*;q=0.5";
const chrome = "image/avif,image/webp,image/apng,image/*,*/*;q=0.8";

export function* cases(original) {
  const refused = (name, query) => ({ suite: "refused", case: name, url: `/_next/image${query}`, accept: "image/webp", want: { status: 400 } });
  yield refused("url is missing", "?w=256&q=100");
  yield refused("w is missing", "?url=%2Fchart.png&q=100");
  yield refused("q is missing", "?url=%2Fchart.png&w=256");
  yield refused("q is more than 100", "?url=%2Fchart.png&w=256&q=101");
  yield refused("q is less than 1", "?url=%2Fchart.png&w=256&q=0");
  yield refused("w is 0", "?url=%2Fchart.png&w=0&q=100");
  yield refused("w is less than 0", "?url=%2Fchart.png&w=-100&q=100");
  yield refused("w is no number", "?url=%2Fchart.png&w=foo&q=100");
  yield refused("q is no number", "?url=%2Fchart.png&w=256&q=foo");
  yield refused("w is none of the configuration's", "?url=%2Fchart.png&w=1000&q=100");
  yield refused("w is that of a blurred placeholder", "?url=%2Fchart.png&w=8&q=70");
  yield refused("url begins with //", "?url=%2F%2Fexample.com%2Fchart.png&w=256&q=75");
  yield refused("url is repeated", "?url=%2Fchart.png&url=%2Fchart.png&w=256&q=75");
  yield refused("w is repeated", "?url=%2Fchart.png&w=256&w=256&q=75");
  yield refused("url is an image of the optimizer", `?url=${encodeURIComponent("/_next/image?url=%2Fchart.png&w=256&q=75")}&w=256&q=75`);
  yield refused("scheme is ftp", "?url=ftp%3A%2F%2Fexample.com%2Fchart.png&w=256&q=75");

  for (const [name, file, size, w, accept, format] of [
    ["webp, Firefox", "chart.png", png, 256, "image/webp,*/*", "webp"],
    ["webp, old Chrome", "chart.png", png, 256, "image/webp,image/apng,image/*,*/*;q=0.8", "webp"],
    ["avif, new Chrome", "chart.png", png, 256, chrome, "avif"],
    ["png is accepted", "chart.png", png, 256, "image/png", "png"],
    ["an unknown format is accepted, of a PNG", "chart.png", png, 256, "image/invalid", "png"],
    ["jpg stays, old Safari", "dusk.jpg", original, 256, safari, "jpeg"],
    ["png stays, old Safari", "chart.png", png, 256, safari, "png"],
    ["an unknown format is accepted, of a GIF", "orbit.gif", gif, 256, "image/invalid", "gif"],
    ["an animation is passed through", "orbit.gif", undefined, 256, "image/webp", "gif"],
    ["no enlarging", "logo.png", { w: 800, h: 800 }, 1200, "image/webp,*/*", "webp"],
  ]) {
    yield* headers(name, file, w, accept, format);
    yield { suite: "made", case: name, url: `/_next/image?url=%2F${file}&w=${w}&q=80`, accept, want: { ...(size ? within(size, { w }) : gif), format } };
  }
}

// headers are those that Next's test compares for every image, one a case. minimumCacheTTL
// is 60, as in Next's configuration for tests.
function* headers(name, file, w, accept, format) {
  const made = file.replace(/\.\w+$/, `.${format}`);
  for (const [header, value] of Object.entries({
    "Content-Type": `image/${format}`,
    "Content-Disposition": `attachment; filename="${made}"`,
    Vary: "Accept",
    ETag: "*",
    "Cache-Control": "public, max-age=60, must-revalidate",
    "Content-Security-Policy": "script-src 'none'; frame-src 'none'; sandbox;",
    "X-Nextjs-Cache": "*",
  })) {
    yield { suite: "headers", case: `${header}: ${name}`, url: `/_next/image?url=%2F${file}&w=${w}&q=80`, accept, want: { headers: { [header]: value } } };
  }
}
