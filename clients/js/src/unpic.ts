import { fitOf, numberOf, plain } from "./adapt.js";
import type { Options } from "./options.js";
import { tintype, type Config } from "./url.js";

/** Operations of unpic, and every option of Tintype by its own name. */
export interface Operations extends Omit<Options, "format"> {
  width?: number | string;
  height?: number | string;
  quality?: number | string;
  format?: string;
}

/** What unpic gives as options: where the images are. */
export type ProviderOptions = Config;

/** Builds the URL of an image. */
export function generate(src: string | URL, { width, height, quality, format, ...own }: Operations, options?: ProviderOptions): string {
  const [w, h] = [numberOf(width) ?? own.w, numberOf(height) ?? own.h];
  return tintype(options).url(plain(String(src)), {
    ...own,
    w,
    h,
    q: quality === "auto" ? quality : (numberOf(quality) ?? own.q),
    format: format as Options["format"],
    fit: fitOf(own.fit) ?? (w && h ? "cover" : undefined),
  });
}

/** Takes the URL of an image apart. The answer is null for a URL of something else. */
export function extract(url: string | URL, options?: ProviderOptions): { src: string; operations: Operations; options: ProviderOptions } | null {
  const { base } = tintype(options);
  const text = String(url);
  if (!text.startsWith(base + "/") && !text.startsWith(base + "?")) return null;
  const [path, query] = text.slice(base.length).split("?");
  const { src, sig, exp, w, width = w, h, height = h, q, quality = q, fm, f, format = fm ?? f, ...own } = Object.fromEntries(new URLSearchParams(query));
  const operations: Operations = { ...(own as Options) };
  if (width) operations.width = numberOf(width);
  if (height) operations.height = numberOf(height);
  if (quality) operations.quality = quality === "auto" ? quality : numberOf(quality);
  if (format) operations.format = format;
  return { src: src ?? base + path, operations, options: options ?? {} };
}

/** Gives the URL of an image other operations, or builds one: the `transformer` of unpic's components. */
export function transform(src: string | URL, operations: Operations, options?: ProviderOptions): string {
  const known = extract(src, options);
  return known ? generate(known.src, { ...known.operations, ...operations }, options) : generate(src, operations, options);
}

/** A `transformer` for unpic's components that knows where the images are. */
export function transformer(config?: Config | string): (src: string | URL, operations: Operations) => string {
  const options: Config = typeof config === "string" ? { url: config } : (config ?? {});
  return (src, operations) => transform(src, operations, options);
}
