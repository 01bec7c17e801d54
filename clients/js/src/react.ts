import { createElement, type ComponentProps, type ReactElement } from "react";
import type { Options } from "./options.js";
import { tintype, type Config, type ImageAttributes } from "./url.js";

/** Properties of the component {@link createImage} makes. The others are those of an `<img>`. */
export interface ImageProps extends Omit<ComponentProps<"img">, "src" | "srcSet" | "width" | "height" | "placeholder"> {
  src: string;
  /** Width in the page, in pixels. With `sizes`, it and `height` say the ratio. */
  width: number;
  height: number;
  alt: string;
  /** Further options, such as `{ gravity: "face" }`. */
  options?: Options;
  /** A picture that shows until the image is there: true, or a URL. */
  placeholder?: string | boolean;
}

/** Makes a component `<Image>` for the images of one workspace. */
export function createImage(config?: Config | string): (props: ImageProps) => ReactElement {
  const image = tintype(config);
  return function Image({ src, width, height, sizes, options, placeholder, ...rest }) {
    const img = image.img(src, { fit: "cover", ...options, w: width, h: height }, { sizes, ...(!sizes && { dprs: [1, 2] }) });
    const blur = placeholder === true ? image.placeholder(src) : placeholder;
    return createElement("img", {
      loading: "lazy",
      decoding: "async",
      ...rest,
      width,
      height,
      sizes,
      srcSet: img.srcset,
      src: img.src, // last, since a browser begins to load when it is set
      style: { ...(blur && { background: `url("${blur}") center/cover no-repeat` }), ...rest.style },
    });
  };
}

/**
 * The attributes that `img` and `signPicture` answer, by React's names:
 *
 *     <img {...props(await signPicture(image.img("private/cat.jpg"), signing))} alt="A cat" />
 */
export function props({ srcset, style, ...rest }: ImageAttributes): ComponentProps<"img"> {
  // The style is a placeholder's, which is a background.
  return { srcSet: srcset, ...(style && { style: { background: style.replace("background:", "") } }), ...rest };
}
