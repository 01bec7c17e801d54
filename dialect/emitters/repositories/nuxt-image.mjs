// The URLs that nuxt's tests expect of its providers (test/providers.ts).
import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as products from "../products.mjs";
import { target } from "../html.mjs";
import { meanings } from "../suites/nuxt.mjs";

const query = (url) => Object.fromEntries(new URLSearchParams(url.includes("?") ? url.slice(url.indexOf("?")) : ""));
const accept = "image/webp,*/*";

function transformation(url) {
  return Object.fromEntries(url.split("/")[4].split(",").map((part) => part.split("_")));
}

const providers = {
  ipx: (original, url, m) => ({ url, accept, want: meanings.ipx(original, m) }),
  cloudflare: (original, url, m) => ({ url, accept, want: meanings.cloudflare(original, m) }),
  netlifyImageCdn: (original, url, m) => ({ url, accept, want: meanings.netlify(original, m) }),
  vercel: (original, url, m) => ({ url, accept, want: meanings.vercel(original, m) }),
  imgix: (original, url) => ({ dialect: "imgix", url, ...products.imgix(original, query(url)) }),
  unsplash: (original, url) => ({ dialect: "imgix", url, ...products.imgix(original, query(url)) }),
  prismic: (original, url) => ({ dialect: "imgix", url, ...products.imgix(original, query(url)) }),
  sanity: (original, url) => ({ dialect: "imgix", url, ...products.imgix(original, query(url)) }),
  // The tests leave out what comes before the transformation.
  cloudinary: (original, url) => {
    url = "/demo/image/upload" + url;
    return { dialect: "cloudinary", url, ...products.cloudinary(original, transformation(url)) };
  },
  weserv: (original, url) => {
    url = url.replace("https%3A%2F%2Fmy-website.com", encodeURIComponent(new URL(original.url).origin));
    return { dialect: "weserv", url, ...products.weserv(original, query(url)) };
  },
};

export function* cases(original, folder) {
  let modifiers = {};
  for (const line of readFileSync(join(folder, "test/providers.ts"), "utf8").split("\n")) {
    const args = line.match(/^\s*args: \['[^']*', \{(.*)\}\],/);
    if (args) {
      modifiers = Object.fromEntries([...args[1].matchAll(/(\w+): (?:(\d+)|'(\w+)')/g)].map(([, name, number, word]) => [name, number ? Number(number) : word]));
      continue;
    }
    const [, provider, full] = line.match(/^\s*(\w+): \{ url: '([^']*)' \}/) ?? [];
    const url = full && target(full);
    // Without modifiers some write the path of the original, which no dialect reads.
    if (providers[provider] && (url !== "/test.png" || provider === "imgix")) {
      yield { suite: provider, case: JSON.stringify(modifiers), ...providers[provider](original, url, modifiers) };
    }
  }
}
