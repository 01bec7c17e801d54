import type { Options } from "./options.js";

/** The `src` of a page as `url` takes it. A relative one is percent-encoded, and may have a query that is no part of the path. */
export function plain(src: string): string {
  if (/^([a-z]+:|\/\/)/i.test(src)) return src;
  const path = src.split(/[?#]/)[0]!;
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}

/** Whether a `src` is inline, or a full URL, or a path. */
export const isPath = (src: string) => !/^([a-z]+:|\/\/)/i.test(src);

/** `fit` in the words of CSS and sharp. */
const fits: Record<string, NonNullable<Options["fit"]>> = { fill: "squeeze", inside: "scale-down" };
export const fitOf = (fit: unknown) => (typeof fit === "string" ? ((fits[fit] ?? fit) as Options["fit"]) : undefined);

/** A number of pixels or percents that a page may have written as text. */
export function numberOf(value: unknown): number | undefined {
  const number = Math.round(parseFloat(String(value)));
  return number > 0 ? number : undefined;
}
