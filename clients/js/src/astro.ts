import { fitOf, isPath, plain } from "./adapt.js";
import type { Options } from "./options.js";
import { tintype, type Config, type Tintype } from "./url.js";

/** `image.service.config` in astro.config.mjs. */
export interface ServiceConfig extends Config {
  /** Whether images show a blur of themselves until they are there. It is in the page, and takes no request. */
  placeholder?: boolean;
}

/** An image that a module imports. */
interface Imported {
  src: string;
  width: number;
  height: number;
}

interface Transform {
  src: string | Imported;
  width?: number;
  height?: number;
  widths?: number[];
  densities?: (number | `${number}x`)[];
  quality?: number | string | null;
  format?: string;
  fit?: string;
  position?: string;
  background?: string;
  [attribute: string]: any;
}

interface ImageConfig {
  service: { config: ServiceConfig };
}

/** Astro's own word for the default quality of each level. */
const qualities: Record<string, number> = { low: 50, mid: 70, high: 80, max: 95 };

const of = ({ service }: ImageConfig): Tintype => tintype(service.config);
const pathOf = ({ src }: Transform) => plain(typeof src === "string" ? src : src.src);
/** While one develops, imported images are on one's own machine, where no server reads them. */
const isLocal = ({ src }: Transform) => typeof src !== "string" && (src.src.includes("?") || src.src.startsWith("/@"));

function optionsOf({ width, height, quality, format, fit, position = "", background }: Transform): Options {
  const side = (...pairs: [string, string][]) => pairs.find(([word]) => position.includes(word))?.[1] ?? "";
  const gravity = side(["top", "north"], ["bottom", "south"]) + side(["left", "west"], ["right", "east"]);
  return {
    w: width,
    // As in Astro's own service: without fit, the width counts, and the image keeps its ratio.
    h: fit || !width ? height : undefined,
    q: typeof quality === "string" ? (qualities[quality] ?? Number(quality)) : (quality ?? undefined),
    format: format as Options["format"],
    fit: fit === "none" ? undefined : fitOf(fit),
    gravity: (gravity || undefined) as Options["gravity"],
    bg: background?.replace("#", ""),
  };
}

/** The image service of Astro: `image.service.entrypoint` in astro.config.mjs is `@tintype/client/astro`. */
const service = {
  /** Fills in the size where the page doesn't say it, so that nothing moves when the image comes. */
  async validateOptions(options: Transform, config: ImageConfig): Promise<Transform> {
    const { src } = options;
    if (typeof src !== "string" && !service.reaches(options, config)) {
      throw new Error(`${src.src} is a file of this site: set "source" of the image service to the source of your workspace that serves the site`);
    }
    let { width, height } = options;
    if (!width || !height) {
      const whole = typeof src !== "string" ? src : (await of(config).info(pathOf(options), ["metadata"])).metadata;
      if (!width && !height) width = whole.width;
      width ??= Math.round((height! / whole.height) * whole.width);
      height ??= Math.round((width / whole.width) * whole.height);
    }
    return { ...options, width: Math.round(width), height: Math.round(height) };
  },

  reaches(options: Transform, { service }: ImageConfig): boolean {
    return isLocal(options) || !isPath(pathOf(options)) || !!service.config.source;
  },

  getURL(options: Transform, config: ImageConfig): string {
    return isLocal(options) ? (options.src as Imported).src : of(config).url(pathOf(options), optionsOf(options));
  },

  getSrcSet({ widths, densities, ...options }: Transform): { transform: Transform; descriptor: string; attributes: object }[] {
    if (isLocal(options)) return [];
    const { width = 0, height = 0 } = options;
    const at = (width: number, descriptor: string) => ({
      transform: { ...options, width, height: Math.round((width / options.width!) * height) },
      descriptor,
      attributes: {},
    });
    if (widths) return [...new Set(widths)].sort((a, b) => a - b).map((w) => at(w, `${w}w`));
    return (densities ?? [1, 2]).map((d) => at(Math.round(width * parseFloat(String(d))), `${parseFloat(String(d))}x`));
  },

  async getHTMLAttributes(options: Transform, config: ImageConfig): Promise<Record<string, any>> {
    const { src, widths, densities, quality, format, formats, layout, priority, fit, position, background, ...attributes } = options;
    if (config.service.config.placeholder && !isLocal(options)) {
      const blur = await of(config).inline(pathOf(options));
      attributes.style = [`background:url("${blur}") center/cover no-repeat`, attributes.style].filter(Boolean).join(";");
    }
    return { loading: "lazy", decoding: "async", ...attributes };
  },

  /** Astro's `inferSize`. */
  async getRemoteSize(url: string, config: ImageConfig): Promise<{ width: number; height: number; format: any }> {
    const { width, height, format } = (await of(config).info(url, ["metadata"])).metadata;
    return { width, height, format };
  },
};

export default service;
