import { fitOf, numberOf, plain } from "./adapt.js";
import type { Options } from "./options.js";
import { tintype, type Config } from "./url.js";

/** What nuxt.config.ts gives the provider as `options`. */
export interface ProviderOptions extends Config {
  /** As `url`, under the name that other providers have. */
  baseURL?: string;
}

/** Modifiers of @nuxt/image, and every option of Tintype by its own name. */
export interface Modifiers extends Omit<Options, "fit" | "format"> {
  width?: number | string;
  height?: number | string;
  quality?: number | string;
  background?: string;
  fit?: string;
  format?: string;
}

interface ProviderContext extends ProviderOptions {
  modifiers?: Modifiers;
}

interface ResolvedImage {
  url: string;
  getMeta?: () => Promise<{ width: number; height: number; placeholder?: string }>;
}

/** The provider of @nuxt/image: `image.providers.tintype.provider` in nuxt.config.ts is `@tintype/client/nuxt`. */
export default function provider(): { getImage: (src: string, options: ProviderContext) => ResolvedImage } {
  return { getImage };
}

function getImage(src: string, { modifiers: { width, height, quality, background, fit, format, ...own } = {}, ...config }: ProviderContext): ResolvedImage {
  const image = tintype({ ...config, url: config.url ?? config.baseURL });
  const path = plain(src);
  const [w, h] = [numberOf(width) ?? own.w, numberOf(height) ?? own.h];
  return {
    url: image.url(path, {
      ...own,
      w,
      h,
      q: quality === "auto" ? quality : (numberOf(quality) ?? own.q),
      bg: background?.replace("#", "") ?? own.bg,
      fit: fitOf(fit) ?? (w && h ? "cover" : undefined), // the default of other providers
      format: format as Options["format"],
    }),
    getMeta: async () => {
      const { metadata } = await image.info(path, ["metadata"]);
      return { width: metadata.width, height: metadata.height, placeholder: await image.inline(path) };
    },
  };
}
