import type { Options } from "./options.js";
import { tintype, type Config, type PictureCandidates } from "./url.js";

/** What `<enhanced:img src={…}>` of @sveltejs/enhanced-img takes. */
export interface EnhancedPicture {
  sources: Record<string, string>;
  img: { src: string; w: number; h: number };
}

/**
 * Makes pictures for `<enhanced:img>`. It needs the size of the original, or `w` and `h` among the options, so that the page
 * keeps room for the image.
 */
export function enhanced(config?: Config | string): (src: string, options?: Options, candidates?: PictureCandidates) => EnhancedPicture {
  const image = tintype(config);
  return (src, options, candidates) => {
    const { sources, img } = image.picture(src, options, candidates);
    if (!img.width || !img.height) throw new TypeError(`${src}: give the width and height of the original, or w and h of the image`);
    return {
      sources: Object.fromEntries(sources.map(({ type, srcset }) => [type.slice("image/".length), srcset])),
      img: { src: img.src, w: img.width, h: img.height },
    };
  };
}
