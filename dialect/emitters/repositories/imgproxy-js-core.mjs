// All strings that imgproxy-js-core's tests expect. Those of options are processing options of
// one image. Those of generateUrl are whole URLs, whose image is replaced by ours.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const example = "https://example.com/host/pic.png";
const exampleBase64 = "aHR0cHM6Ly9leGFtcGxlLmNvbS9pbWFnZS9waWMucG5n";

function expected(file) {
  return [...readFileSync(file, "utf8").matchAll(/to(?:Equal|Be)\(\s*(["'`])([^"'`]*)\1/g)].map((match) => match[2]);
}

export function* cases(original, folder) {
  const answer = { dialect: "imgproxy", accept: "image/webp,*/*", want: {} };
  // Watermarks of the tests are the origin's here.
  const watermark = Buffer.from(original.url.replace("dusk.jpg", "logo.png")).toString("base64url");
  for (const suite of ["optionsBasic", "optionsShared", "optionsImageInfo"]) {
    for (const file of readdirSync(join(folder, "tests", suite)).sort()) {
      for (const text of expected(join(folder, "tests", suite, file))) {
        const options = text.replace(/aHR0c[\w-]+/, watermark);
        yield { suite, case: text, url: `/unsafe/${options}/plain/dusk.jpg`, ...answer };
      }
    }
  }
  for (const suite of ["generateUrl", "generateImageInfoUrl"]) {
    for (const text of expected(join(folder, "src/methods", suite + ".test.ts"))) {
      const path = text.replace(example, original.url).replace(exampleBase64, Buffer.from(original.url).toString("base64url"));
      yield { suite, case: text, url: "/unsafe" + path, ...answer };
    }
  }
}
