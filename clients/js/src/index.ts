/**
 * URLs of images that a Tintype server transforms. For most uses, call {@link tintype} with the URL of a workspace, and
 * `url`, `srcset`, `img` or `picture` of what it answers.
 */
export type { Options } from "./options.js";
export * from "./url.js";
export * from "./sign.js";
