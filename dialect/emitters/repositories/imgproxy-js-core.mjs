// The options that imgproxy-js-core's tests expect, as processing options of one image.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

export function* cases(original, folder) {
  for (const sub of ["tests/optionsBasic", "tests/optionsShared"]) {
    for (const file of readdirSync(join(folder, sub)).sort()) {
      const seen = new Set();
      for (const [, , text] of readFileSync(join(folder, sub, file), "utf8").matchAll(/to(?:Equal|Be)\(\s*(["'`])([^"'`\s]+:[^"'`\s]*)\1/g)) {
        if (!seen.has(text) && !text.includes("${")) {
          seen.add(text);
          // Watermarks of the tests are the origin's here.
          const options = text.replace(/aHR0c[\w-]+/, Buffer.from(original.url.replace("dusk.jpg", "logo.png")).toString("base64url"));
          yield { suite: sub.replace("tests/", ""), case: text, dialect: "imgproxy", url: `/unsafe/${options}/plain/dusk.jpg`, accept: "image/webp,*/*", want: {} };
        }
      }
    }
  }
}
