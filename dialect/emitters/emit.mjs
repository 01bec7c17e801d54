// Writes URLs that other projects' packages build, one JSON object a line:
//
//	{"suite":"unpic/netlify","case":"width 96","url":"/.netlify/images?…","accept":"image/webp,*/*","want":{"w":96,"h":64,"format":"webp"}}
//
// url begins after the namespace: ask for it in host form, or put /NAMESPACE before it. dialect is
// the workspace's, native where it is missing; signed says that the URL has a signature, by the
// key of keys.json. accept is
// the Accept header to send. want is what the product itself would make of the original: its size,
// and its format where the case is about one.
//
//	npm ci --ignore-scripts --omit=optional
//	node emit.mjs --path=/dusk.jpg --width=2400 --height=1600 [--url=https://HOST/dusk.jpg] [SUITE …]
//
// --path is the original as a path, which the workspace's default source has, and --url as a full
// URL: without it those cases are left out. --suites is a folder with checkouts of other projects,
// each under its name in the folder repositories, whose own tests are cases too. Suites are the files of the folder suites, each of
// which exports cases(original), and makes objects as above, but for suite's first part.
import { readdir } from "node:fs/promises";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";

const { values, positionals } = parseArgs({
  options: {
    path: { type: "string", default: "/dusk.jpg" },
    url: { type: "string" },
    width: { type: "string", default: "2400" },
    height: { type: "string", default: "1600" },
    suites: { type: "string" },
  },
  allowPositionals: true,
});
const original = { path: values.path, url: values.url, w: Number(values.width), h: Number(values.height) };

console.log = console.error; // packages that log would break the lines

const print = (line) => process.stdout.write(JSON.stringify(line) + "\n");

const folder = new URL("suites/", import.meta.url);
for (const file of (await readdir(folder)).sort()) {
  const name = file.replace(/\.mjs$/, "");
  if (positionals.length > 0 && !positionals.includes(name)) {
    continue;
  }
  const { cases } = await import(new URL(file, folder).href);
  for (const { suite, ...rest } of cases(original)) {
    print({ suite: suite ? `${name}/${suite}` : name, ...rest });
  }
}

const repositories = new URL("repositories/", import.meta.url);
for (const file of (await readdir(repositories)).sort()) {
  const name = file.replace(/\.mjs$/, "");
  if (positionals.length > 0 && !positionals.includes(name)) {
    continue;
  }
  const checkout = values.suites && join(values.suites, name);
  if (!checkout || !existsSync(checkout)) {
    print({ suite: `repositories/${name}`, notRun: `SUITES has no folder ${name}` });
    continue;
  }
  const { cases } = await import(new URL(file, repositories).href);
  for (const { suite, ...rest } of cases(original, checkout)) {
    print({ suite: suite ? `repositories/${name}/${suite}` : `repositories/${name}`, ...rest });
  }
}
