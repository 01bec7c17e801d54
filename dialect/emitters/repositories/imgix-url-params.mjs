// Every parameter of imgix under all of its names, with every value that its own list documents
// (dist/parameters.json). All are answered: those that Tintype can't do are named as ignored.
import { readFileSync } from "node:fs";
import { join } from "node:path";

export function* cases(original, folder) {
  const { parameters } = JSON.parse(readFileSync(join(folder, "dist/parameters.json"), "utf8"));
  for (const [name, { expects, aliases = [] }] of Object.entries(parameters)) {
    const values = new Set(expects.flatMap((e) => examples(e, original)));
    for (const spelled of [name, ...aliases]) {
      for (const value of values) {
        const size = ["w", "h", "width", "height"].includes(spelled) ? "" : "w=100&h=80&";
        yield { case: `${spelled}=${value}`, dialect: "imgix", url: `/dusk.jpg?${size}${spelled}=${encodeURIComponent(value)}`, accept: "image/webp,*/*", want: {} };
      }
    }
  }
}

function examples(e, original) {
  if (e.possible_values) {
    return e.possible_values;
  }
  const { min = 1, max = min + 100 } = e.strict_range ?? e.suggested_range ?? {};
  switch (e.type) {
    case "integer":
      return [min, Math.min(max, 400)].map(String);
    case "number":
      return [min, (min + max) / 2].map(String);
    case "unit_scalar":
      return ["0.5"];
    case "boolean":
      return ["true", "false"];
    case "hex_color":
      return ["f80", "ff8000", "80ff8000"];
    case "color_keyword":
      return ["orange"];
    case "ratio":
      return ["16:9"];
    case "url":
    case "path":
      return original.url ? [original.url] : [];
    case "timestamp":
      return ["4102444800"];
    case "string":
      return ["text"];
  }
  return [];
}
