// imagor's golden images (testdata/golden), whose names are the URLs that they are the answers of.
// Those of other configurations than the default are left out.
import { readdirSync } from "node:fs";
import { join, relative } from "node:path";

const others = /^(max-|disable-|no-|nofilter|meta\/|memory\/|pixelate\/|redact\/|draw_detections\/|.*\.json$)/;

export function* cases(original, folder) {
  const golden = join(folder, "testdata/golden");
  for (const entry of readdirSync(golden, { recursive: true, withFileTypes: true })) {
    const name = relative(golden, join(entry.parentPath ?? entry.path, entry.name));
    if (entry.isFile() && !others.test(name)) {
      yield { case: name, dialect: "thumbor", url: "/unsafe/" + name.split("/").map(decodeURIComponent).join("/"), accept: "*/*", file: join("imagor/testdata/golden", name), want: {} };
    }
  }
}
