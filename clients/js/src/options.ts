// Made from transform/vocabulary.go by "go test ./transform -run TestClientOptions -update": change it there.

/** Pixels, or a part in percent. */
export type Length = number | `${number}%`;

/** Options of an image: docs/options.md. What is left out has its default. */
export interface Options {
  /**
   * Sets both `w` and `h`. A `w` or `h` in the same URL overrides it.
   *
   * Values: 1–8192 pixels, or above 0 and up to 100% of the image. Default: none.
   */
  size?: Length;
  /**
   * Width of the output, before `dpr` and `pad`. 100% is the width that `rect`, `inset`, `trim` and `rotate` leave. Without `w` it is derived from `h` and `ar`, or from the original.
   *
   * Values: 1–8192 pixels, or above 0 and up to 100% of the image. Default: derived.
   */
  w?: Length;
  /**
   * Height of the output, before `dpr` and `pad`. 100% is the height that `rect`, `inset`, `trim` and `rotate` leave. Without `h` it is derived from `w` and `ar`, or from the original.
   *
   * Values: 1–8192 pixels, or above 0 and up to 100% of the image. Default: derived.
   */
  h?: Length;
  /**
   * Device pixel ratio: multiplies `w`, `h`, `pad` and the mark's lengths. The results can be at most 8192 pixels.
   *
   * Values: 0.1–5. Default: 1.
   */
  dpr?: number;
  /**
   * How the image is fitted into `w` × `h`. `scale-down`: within, never enlarged. `contain`: within. `cover`: filled, the rest cropped. `crop`: as `cover`, but never enlarged. `outside`: as `cover`, but not cropped, so that one side can be longer. `pad`: within, the rest filled with `bg`. `squeeze`: stretched. `auto`: `cover` if the image and `w` × `h` are both higher than wide, or both not, else `contain`.
   *
   * Values: scale-down, contain, cover, crop, outside, pad, squeeze (fill), auto. Default: scale-down.
   */
  fit?: "scale-down" | "contain" | "cover" | "crop" | "outside" | "pad" | "squeeze" | "auto" | "fill";
  /**
   * Whether the image may become larger. 1 turns `scale-down` into `contain`, and `crop` into `cover`. With 0, `cover`, `outside` and `auto` can give less than `w` × `h`, `pad` puts the image on the canvas at its own size, and `squeeze` stretches no side.
   *
   * true or false. Default: as fit says.
   */
  enlarge?: boolean;
  /**
   * Aspect ratio. It sets the missing one of `w` and `h`. Without both, `cover`, `crop` and `squeeze` take the largest such size within the image, `pad` the smallest around it.
   *
   * Values: W:H, such as 16:9 or 1.91:1, each above 0 and up to 10000. Default: the original's.
   */
  ar?: `${number}:${number}`;
  /**
   * Focal point: distance from the left as a fraction of the width, after `rect`, `rotate` and `flip`. Implies `gravity=focal`.
   *
   * Values: 0–1. Default: 0.5.
   */
  "fp-x"?: number;
  /**
   * Focal point: distance from the top as a fraction of the height. Implies `gravity=focal`.
   *
   * Values: 0–1. Default: 0.5.
   */
  "fp-y"?: number;
  /**
   * Focal point: zoom, with `fit=cover` and `fit=crop`. Implies `gravity=focal`.
   *
   * Values: 1–10. Default: 1.
   */
  "fp-z"?: number;
  /**
   * The part of the image that `cover` and `crop` keep, and where `pad` puts it. `attention`: the part that people look at first. `entropy`: the part with most detail. `face`: all faces, or the largest one if they don't fit; `attention` if there are none. `focal`: around `fp-x`, `fp-y`, which other gravities ignore.
   *
   * Values: center, north (top), south (bottom), east (right), west (left), northeast, northwest, southeast, southwest, attention, entropy, face, focal. Default: center.
   */
  gravity?: "center" | "north" | "south" | "east" | "west" | "northeast" | "northwest" | "southeast" | "southwest" | "attention" | "entropy" | "face" | "focal" | "top" | "bottom" | "right" | "left";
  /**
   * The region of the upright original to keep, before all other options. It is clipped to the image. A word for x or y aligns the region.
   *
   * Values: x,y,w,h, each in whole pixels (up to 1000000) or 0–100%; w and h above 0; x also left, center, right and y top, center, bottom. Default: all.
   */
  rect?: string | readonly (Length | string)[];
  /**
   * Cuts off pixels of the original on each side, after `rect`, in the order of CSS `inset()`: all sides; vertical, horizontal; top, horizontal, bottom; top, right, bottom, left.
   *
   * Values: 1 to 4 of 0–1000000, separated by commas or spaces. Default: 0.
   */
  inset?: number | string | readonly number[];
  /**
   * Removes a border of one colour, the colour of most corners. The value is the tolerance: how many levels a channel may differ. For JPEGs, use 20–40, because compression changes the border. All transparent pixels are equal. An animation loses only the border that all frames share. An image that is all border is kept.
   *
   * Values: a whole number from 0 to 255. Default: off.
   */
  trim?: number;
  /**
   * Rotates clockwise, in degrees, after the EXIF orientation, which is always applied. If the angle is not a multiple of 90, the empty corners get `bg`, and `w`, `h` and `fit` apply to the whole with its corners.
   *
   * Values: −360–360, whole degrees. Default: 0.
   */
  rotate?: number;
  /**
   * Mirrors the image after `rotate`: `h` swaps left and right, `v` top and bottom.
   *
   * Values: h, v, hv. Default: none.
   */
  flip?: "h" | "v" | "hv";
  /**
   * The colour behind transparent pixels and `pad`. Without it they stay transparent, or become white if the format has no alpha.
   *
   * Values: RGB, RGBA, RRGGBB or RRGGBBAA in hexadecimal digits, or a CSS colour name. Default: transparent.
   */
  bg?: string;
  /**
   * Adds pixels around the output, before `dpr`, in the order of CSS `padding`: all sides; vertical, horizontal; top, horizontal, bottom; top, right, bottom, left.
   *
   * Values: 1 to 4 of 0–8192, separated by commas or spaces. Default: 0.
   */
  pad?: number | string | readonly number[];
  /**
   * Rounds the corners of the output, `pad` included. The radius is in pixels, before `dpr`, or in percent of the shorter side. `max` is 50%. The corners become transparent, or `bg` or white if the format has no alpha.
   *
   * Values: 0–8192 pixels, 0–100% of the output's shorter side, or max. Default: 0.
   */
  radius?: Length | "max";
  /**
   * Gaussian blur: its standard deviation in output pixels, as in CSS `blur()`. `dpr` doesn't change it.
   *
   * Values: 0–100. Default: 0.
   */
  blur?: number;
  /**
   * Unsharp mask. Use 10–20 for a resized photo; hard edges get no halo then.
   *
   * Values: 0–100. Default: 0.
   */
  sharpen?: number;
  /**
   * Multiplies the levels, as CSS `brightness()`: 0 is black, 1 is neutral.
   *
   * Values: 0–3. Default: 1.
   */
  brightness?: number;
  /**
   * Multiplies the distance of the levels from the middle, as CSS `contrast()`: 0 is grey, 1 is neutral.
   *
   * Values: 0–3. Default: 1.
   */
  contrast?: number;
  /**
   * Multiplies the saturation, as CSS `saturate()`: 0 is grey, 1 is neutral.
   *
   * Values: 0–3. Default: 1.
   */
  saturation?: number;
  /**
   * Gamma correction: above 1 lightens the middle tones, below 1 darkens them; black and white stay.
   *
   * Values: 0.1–3. Default: 1.
   */
  gamma?: number;
  /**
   * Removes the colour, as CSS `grayscale(1)`.
   *
   * true or false. Default: 0.
   */
  grayscale?: boolean;
  /**
   * Tones the image brown, as CSS `sepia(1)`.
   *
   * true or false. Default: 0.
   */
  sepia?: boolean;
  /**
   * Turns the image into its negative, as CSS `invert(1)`.
   *
   * true or false. Default: 0.
   */
  invert?: boolean;
  /**
   * Turns the image into blocks of one colour, from the top left. The value is the edge of a block in output pixels; 0 and 1 are off. `dpr` doesn't change it.
   *
   * Values: a whole number from 0 to 1024. Default: 0.
   */
  pixelate?: number;
  /**
   * Format of the output. `auto`: the best of AVIF, WebP and JPEG or PNG that the client accepts, of AVIF and WebP the smaller for a drawing or a small image; WebP or GIF for an animation. `original`: the original's (HEIC and SVG: JPEG or PNG).
   *
   * Values: auto, avif, webp, jpeg (jpg), png (nocompress), gif, tiff, jxl, original. Default: auto.
   */
  format?: "auto" | "avif" | "webp" | "jpeg" | "png" | "gif" | "tiff" | "jxl" | "original" | "jpg" | "nocompress";
  /**
   * Quality on the scale of JPEG. Other encoders are set so that the output looks the same. `auto` finds the lowest quality that looks as `q-target` says, for each image. An animation then has 80.
   *
   * Values: a whole number from 1 to 100, or auto. Default: 80.
   */
  q?: number | "auto";
  /**
   * Quality of an output in AVIF, on the scale of JPEG.
   *
   * Values: a whole number from 1 to 100, or auto. Default: as q.
   */
  "q-avif"?: number | "auto";
  /**
   * Quality of an output in WebP, on the scale of JPEG.
   *
   * Values: a whole number from 1 to 100, or auto. Default: as q.
   */
  "q-webp"?: number | "auto";
  /**
   * Quality of an output in JPEG XL, on the scale of JPEG.
   *
   * Values: a whole number from 1 to 100, or auto. Default: as q.
   */
  "q-jxl"?: number | "auto";
  /**
   * How similar to the uncompressed output `q=auto` makes the image look, in SSIMULACRA 2: 90 shows no difference, 70 is high quality, 50 is medium. It does nothing without `auto`.
   *
   * Values: a whole number from 50 to 95. Default: 74.
   */
  "q-target"?: number;
  /**
   * Keeps every pixel exactly in WebP, PNG, TIFF and JXL. `auto` then chooses WebP or PNG. AVIF is exact with libvips 8.18, as in our image; before, it comes close only: closest with `q=90` or more, below it colours have half the resolution. JPEG and GIF ignore it; give JPEG `q=100`.
   *
   * true or false. Default: 0.
   */
  lossless?: boolean;
  /**
   * Makes browsers show a coarse image first, in formats that can.
   *
   * true or false. Default: 0.
   */
  progressive?: boolean;
  /**
   * Keeps an animation if both formats can hold one. 0 takes the first frame.
   *
   * true or false. Default: 1.
   */
  anim?: boolean;
  /**
   * The metadata that the output keeps. Unless it is `keep`, colours are converted to sRGB. With a mark, `keep` means `copyright`, since metadata can hold previews without the mark.
   *
   * Values: none, copyright, keep. Default: none.
   */
  metadata?: "none" | "copyright" | "keep";
  /**
   * Watermark: a mark's name, `source/path` or a URL. The `mark-` options do nothing without it.
   *
   * Values: a mark's name, source/path or URL of 1–2048 bytes. Default: none.
   */
  mark?: string;
  /**
   * Sets both `mark-w` and `mark-h`. A `mark-w` or `mark-h` in the same URL overrides it.
   *
   * Values: 1–8192 pixels, or above 0 and up to 100% of the output. Default: none.
   */
  "mark-size"?: Length;
  /**
   * Width of the mark. Derived if only `mark-h` is given.
   *
   * Values: 1–8192 pixels, or above 0 and up to 100% of the output. Default: 15%.
   */
  "mark-w"?: Length;
  /**
   * Height of the mark.
   *
   * Values: 1–8192 pixels, or above 0 and up to 100% of the output. Default: derived.
   */
  "mark-h"?: Length;
  /**
   * How the mark is fitted into `mark-w` × `mark-h`, as the option `fit`.
   *
   * Values: scale-down, contain, cover, crop, pad, squeeze (fill). Default: contain.
   */
  "mark-fit"?: "scale-down" | "contain" | "cover" | "crop" | "pad" | "squeeze" | "fill";
  /**
   * Position of the mark.
   *
   * Values: one or two of top, center, bottom and left, center, right, such as top,left. Default: bottom,right.
   */
  "mark-align"?: "top,left" | "top,center" | "top,right" | "center,left" | "center" | "center,right" | "bottom,left" | "bottom,center" | "bottom,right";
  /**
   * Distance of the mark from the edges.
   *
   * Values: 0–8192 pixels, or 0–100% of the output's smaller side. Default: 2%.
   */
  "mark-pad"?: Length;
  /**
   * Opacity of the mark: 0 is invisible, 1 is opaque.
   *
   * Values: 0–1. Default: 1.
   */
  "mark-opacity"?: number;
  /**
   * Repeats the mark all over the output.
   *
   * true or false. Default: 0.
   */
  "mark-repeat"?: boolean;
  /**
   * The image to show if the original is unavailable. The status stays that of the error.
   *
   * Values: source/path of 1–2048 bytes. Default: none.
   */
  default?: string;
  /**
   * Makes browsers save the output under this name.
   *
   * Values: a file name of 1–255 bytes without /, \ and control characters. Default: none.
   */
  dl?: string;
  /**
   * Cache buster: another value makes another variant. Browsers keep it for a year.
   *
   * Values: anything up to 64 bytes. Default: none.
   */
  v?: string;
  /** The name of a preset of the workspace. Its options come first, so that the others here override them. */
  preset?: string;
}
