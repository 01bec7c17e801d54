import type { Options } from "./options.js";
import { tintype as builder, type Config, type Picture, type PictureCandidates } from "./url.js";

/** What `import image from "tintype:photos/cat.jpg"` gives. */
export interface ImportedImage extends Picture {
  /** The attributes of the `<img>`, with its size, and a blur of the image until it is there. */
  img: Picture["img"] & { width: number; height: number };
  /** The blur, as a `data:` URL. */
  placeholder: string;
}

/** A plugin of Vite, in the parts that this one has. */
export interface TintypePlugin {
  name: string;
  enforce: "pre";
  resolveId(id: string): string | undefined;
  load(id: string): Promise<string> | undefined;
}

const scheme = "tintype:";
const inside = "\0tintype:";

/**
 * The plugin of Vite: `import image from "tintype:photos/cat.jpg?w=800"`. While it builds, it asks the server for the size
 * of the image and a blur. Beside the options, the query has `widths`, `dprs`, `formats` and `sizes`. With `w` alone, the
 * image has this width at 1×, and twice as many pixels at 2×.
 */
export function tintype(config?: Config | string): TintypePlugin {
  const image = builder(config);

  async function load(id: string): Promise<string> {
    const [src = "", query = ""] = id.split("?");
    const { widths, dprs, formats, sizes, ...own } = Object.fromEntries(new URLSearchParams(query));
    const options: Record<string, unknown> = { ...own };
    for (const side of ["w", "h"]) if (/^\d+$/.test(own[side] ?? "")) options[side] = Number(own[side]);
    const numbers = (list?: string) => list?.split(",").map(Number);
    const path = decodeURIComponent(src);
    const [{ metadata }, placeholder] = await Promise.all([image.info(path, ["metadata"]), image.inline(path)]);
    const picture = image.picture(path, options as Options, {
      widths: numbers(widths),
      dprs: numbers(dprs) ?? (options.w && !widths ? [1, 2] : undefined),
      ...(formats && { formats: formats.split(",") as PictureCandidates["formats"] }),
      sizes,
      width: metadata.width,
      height: metadata.height,
      placeholder,
    });
    return `export default ${JSON.stringify({ ...picture, placeholder })};`;
  }

  return {
    name: "tintype",
    enforce: "pre",
    // The end keeps Vite from taking the module for a file that is an image.
    resolveId: (id) => (id.startsWith(scheme) ? inside + encodeURIComponent(id.slice(scheme.length)) + ".js" : undefined),
    load: (id) => (id.startsWith(inside) ? load(decodeURIComponent(id.slice(inside.length, -".js".length))) : undefined),
  };
}
