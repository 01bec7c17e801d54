// unpic's end-to-end test (e2e.test.ts): its examples, which it asks for 96 pixels and for 100×50.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { transformUrl } from "unpic";
import { target } from "../html.mjs";

const dialects = { cloudinary: "cloudinary", imgix: "imgix", wsrv: "weserv", cloudflare: "", netlify: "", ipx: "", nextjs: "", vercel: "" };
const noRatio = ["vercel", "nextjs"];

export function* cases(original, folder) {
  const examples = JSON.parse(readFileSync(join(folder, "demo/src/examples.json"), "utf8"));
  for (const [cdn, [, url]] of Object.entries(examples)) {
    if (!(cdn in dialects)) {
      continue;
    }
    for (const operations of [{ width: cdn === "vercel" ? 256 : 96 }, { width: 100, height: 50 }]) {
      if (operations.height && noRatio.includes(cdn)) {
        continue;
      }
      // Remote originals of the examples are the origin's here.
      const origin = original.url.replace(/\/[^/]*$/, "");
      let asked = target(transformUrl({ url, cdn, format: "jpg", ...operations }));
      asked = asked.replace(/https?(:|%3A)(\/|%2F){2}[^/%]+/i, (found) => (found.includes("%") ? encodeURIComponent(origin) : origin));
      asked = asked.replace(/([?&]url=)(?!http)[^/%&]+\.[^/%&]+(?=\/|%2F)/, (_, name) => name + encodeURIComponent(origin));
      const want = operations.height ? { w: 100, h: 50 } : { w: operations.width };
      yield { suite: cdn, case: JSON.stringify(operations), dialect: dialects[cdn], url: asked, accept: "image/webp,*/*", want };
    }
  }
}
