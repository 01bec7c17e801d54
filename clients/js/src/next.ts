import { plain } from "./adapt.js";
import { tintype, type Config } from "./url.js";

/** What next/image gives its loader. */
export interface LoaderProps {
  src: string;
  width: number;
  quality?: number;
}

/**
 * A loader for next/image. Export it from the file that `images.loaderFile` of next.config names, or give it to an
 * `<Image>` as `loader`.
 */
export function loader(config?: Config | string): (props: LoaderProps) => string {
  const { url } = tintype(config);
  return ({ src, width, quality }) => url(plain(src), { w: width, q: quality });
}
