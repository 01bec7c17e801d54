import { env } from "./env.js";
import type { Options } from "./options.js";

/** What {@link tintype} is told. */
export interface Config {
  /**
   * Where the workspace's images are: the server and the namespace, such as `https://img.example.com/acme`, or the
   * workspace's own host, such as `https://acme.img.example.com`. Left out, it is the variable `TINTYPE_URL`.
   */
  url?: string;
  /**
   * The source of relative paths, such as `photos`. Left out, a path begins with the key of its source, as in
   * `photos/cat.jpg`.
   */
  source?: string;
  /** Options that every URL has, unless it says otherwise. */
  options?: Options;
}

/** Which candidates a srcset has. */
export interface Candidates {
  /** Widths in pixels. Left out, they are {@link defaultWidths}. */
  widths?: readonly number[];
  /** Device pixel ratios, such as `[1, 2]`, for an image of a fixed size: `options` has its `w`, `h` or both. */
  dprs?: readonly number[];
  /** The attribute `sizes`: how wide the page shows the image. {@link sizes} writes one. */
  sizes?: string;
  /** Width of the original in pixels. No candidate is wider. */
  width?: number;
  /** Height of the original in pixels. With `width`, the page keeps room for the image. */
  height?: number;
  /**
   * A picture that shows until the image is there: a URL, such as a `data:` URL of {@link Tintype.inline}. With `true`, the
   * page loads a small one from the server.
   */
  placeholder?: string | boolean;
}

/** How {@link Tintype.picture} writes its formats. */
export interface PictureCandidates extends Candidates {
  /** Formats of the sources, best first. Left out, they are AVIF and WebP. */
  formats?: readonly NonNullable<Options["format"]>[];
}

/** The attributes of an `<img>`. */
export interface ImageAttributes {
  src: string;
  srcset: string;
  sizes?: string;
  width?: number;
  height?: number;
  style?: string;
}

/** The attributes of a `<picture>`'s elements. */
export interface Picture {
  sources: { type: string; srcset: string; sizes?: string }[];
  img: ImageAttributes;
}

/** Options of a placeholder: docs/placeholder.md. */
export interface PlaceholderOptions {
  w?: number;
  h?: number;
  fit?: "contain" | "cover";
  dpr?: number;
  punch?: number;
  format?: "auto" | "avif" | "webp" | "jpeg" | "png" | "gif" | "tiff" | "jxl" | "datauri";
  q?: number;
}

/** Facts about an image: docs/info.md. */
export interface Info {
  metadata: {
    bytes: number;
    contentType: string;
    format: string;
    width: number;
    height: number;
    orientation: number;
    frames: number;
    hasAlpha: boolean;
    colorSpace: string;
    bitDepth: number | null;
    progressive: boolean;
    profile: string | null;
    etag: string | null;
    lastModified: string | null;
  };
  blurhash: string;
  thumbhash: string;
  colors: { hex: string; area: number; intensity: number }[];
  palette: Record<"vibrant" | "lightVibrant" | "darkVibrant" | "muted" | "lightMuted" | "darkMuted", { hex: string } | null>;
}

/** Builds what a page needs to show the images of one workspace. */
export interface Tintype {
  /** Where the images are, without a slash at the end. */
  readonly base: string;
  /**
   * The URL of an image. `src` is the path of the original, such as `photos/cat.jpg`, as it is and not percent-encoded, or
   * a full URL. A full URL of this workspace's images gets the options in addition to its own.
   */
  url(src: string, options?: Options): string;
  /** The attribute `srcset`: by widths, or by device pixel ratios where `dprs` says so. */
  srcset(src: string, options?: Options, candidates?: Candidates): string;
  /** The attributes of an `<img>` whose format the server picks by `Accept`. */
  img(src: string, options?: Options, candidates?: Candidates): ImageAttributes;
  /** The attributes of a `<picture>` with a source for each format. */
  picture(src: string, options?: Options, candidates?: PictureCandidates): Picture;
  /** The URL of a small picture that stands in for an image while it loads. */
  placeholder(src: string, kind?: "blurhash" | "thumbhash" | "color", options?: PlaceholderOptions): string;
  /** Asks the server for such a picture as a `data:` URL of some 300 bytes, which shows without another request. */
  inline(src: string, kind?: "blurhash" | "thumbhash" | "color", options?: PlaceholderOptions, init?: RequestInit): Promise<string>;
  /** Asks the server for facts about an image: its size, hashes and colours. `only` names some of them. */
  info<K extends keyof Info = keyof Info>(src: string, only?: readonly K[], init?: RequestInit): Promise<Pick<Info, K>>;
}

/** Widths of a srcset in which each step saves a fair part of the bytes. */
export const defaultWidths: readonly number[] = [320, 480, 640, 960, 1280, 1920, 2560, 3840];

const defaultFormats = ["avif", "webp"] as const;

/**
 * Builds URLs of one workspace's images. In the simplest case it is told the URL alone:
 *
 *     const image = tintype("https://img.example.com/acme");
 *     image.url("photos/cat.jpg", { w: 400 });
 */
export function tintype(config: Config | string = {}): Tintype {
  const { url: given, source = "", options: defaults }: Config = typeof config === "string" ? { url: config } : config;
  const base = (given || env("TINTYPE_URL") || "").replace(/\/+$/, "");
  if (!/^https?:\/\/[^/]/.test(base)) {
    throw new TypeError(`Tintype's URL is ${base ? `"${base}"` : "missing"}: set url, or the variable TINTYPE_URL, to one such as https://img.example.com/acme`);
  }

  function at(endpoint: string, src: string, options: object = {}): string {
    if (/^(data|blob):/.test(src)) return src;
    if (src.startsWith("//")) src = "https:" + src;
    let path = endpoint;
    let all: Record<string, unknown> = { ...options };
    if (src.startsWith(base + "/")) {
      const [own, query] = src.slice(base.length).split("?");
      path += own;
      all = { ...Object.fromEntries(new URLSearchParams(query)), ...all };
      delete all.sig;
      delete all.exp;
    } else if (/^https?:/i.test(src)) {
      all = { src, ...all };
    } else {
      path += `/${source}/${src.replace(/^\/+/, "")}`.replace(/^\/+/, "/").split("/").map(encode).join("/");
    }
    const parameters = Object.entries(all)
      .filter(([, value]) => value != null)
      // The same options in another order are the same URL, so that caches have the image once.
      .sort(([a], [b]) => (a === "src" ? -1 : b === "src" ? 1 : a < b ? -1 : 1))
      .map(([name, value]) => `${name}=${encodeValue(typeof value === "boolean" ? +value : value)}`)
      .join("&");
    return base + path + (parameters && "?" + parameters);
  }

  const url = (src: string, options?: Options) => at("", src, { ...defaults, ...options });

  function srcset(src: string, options: Options = {}, { dprs, widths, width }: Candidates = {}): string {
    if (dprs) return dprs.map((dpr) => `${url(src, dpr === 1 ? options : { ...options, dpr })} ${dpr}x`).join(", ");
    const { w, h } = { ...defaults, ...options };
    const ratio = typeof w === "number" && typeof h === "number" && h / w;
    return candidates(widths, width)
      .map((w) => `${url(src, { ...options, w, ...(ratio && { h: Math.max(1, Math.round(w * ratio)) }) })} ${w}w`)
      .join(", ");
  }

  function img(src: string, options: Options = {}, by: Candidates = {}): ImageAttributes {
    const { w, h } = { ...defaults, ...options };
    const { dprs, width, height } = by;
    const shown: { width?: number; height?: number } = {};
    if (typeof w === "number" && typeof h === "number") Object.assign(shown, { width: w, height: h });
    else if (dprs && typeof w === "number" && width && height) Object.assign(shown, { width: w, height: Math.round((w / width) * height) });
    else if (width && height) Object.assign(shown, { width, height });
    return {
      srcset: srcset(src, options, by),
      ...(by.sizes && { sizes: by.sizes }),
      ...shown,
      ...(by.placeholder && { style: background(by.placeholder === true ? placeholder(src) : by.placeholder) }),
      // For link previews and what else reads no srcset. It is last, since a browser begins to load when a script sets it.
      src: url(src, dprs || w ? options : { ...options, w: Math.min(1280, width ?? 1280) }),
    };
  }

  const placeholder: Tintype["placeholder"] = (src, kind = "thumbhash", options) => at("/placeholder/" + kind, src, options);

  async function ask(url: string, init?: RequestInit): Promise<Response> {
    const answer = await fetch(url, init).catch((error) => {
      // "fetch failed" alone doesn't say where.
      throw error instanceof TypeError ? new TypeError(`${url}: ${error.message}`, { cause: error.cause }) : error;
    });
    if (answer.ok) return answer;
    const { error } = (await answer.json().catch(() => ({}))) as { error?: { code: string; message: string } };
    throw new Error(`${url}: ${error ? `${error.message} (${answer.status} ${error.code})` : answer.status}`);
  }

  return {
    base,
    url,
    srcset,
    img,
    picture: (src, options = {}, { formats = defaultFormats, ...by } = {}) => ({
      sources: formats.map((format) => ({
        type: `image/${format === "jpg" ? "jpeg" : format}`,
        srcset: srcset(src, { ...options, format }, by),
        ...(by.sizes && { sizes: by.sizes }),
      })),
      img: img(src, { format: "original" as const, ...options }, by),
    }),
    placeholder,
    inline: async (src, kind, options, init) => (await ask(placeholder(src, kind, { ...options, format: "datauri" }), init)).text(),
    info: async (src, only, init) => (await ask(at("/info", src, { select: only?.join() }), init)).json(),
  };
}

/** The widths that are not over the original's, which is the last where some were. */
function candidates(widths: readonly number[] = defaultWidths, most = Infinity): number[] {
  const fitting = widths.filter((w) => w <= most);
  return fitting.length < widths.length && fitting.at(-1) !== most ? [...fitting, most] : fitting;
}

/** The style of an image that shows a picture until it is there. */
function background(url: string): string {
  return `background:url("${url}") center/cover no-repeat`;
}

/** Escapes a segment of a path. Apostrophes too, so that a URL can stand in any attribute. */
function encode(text: string): string {
  return encodeURIComponent(text).replace(/'/g, "%27");
}

/** Escapes what the query needs, and leaves the rest as people write it. */
function encodeValue(value: unknown): string {
  return encode(String(value)).replace(/%(2F|3A)/g, decodeURIComponent);
}

/**
 * Writes the attribute `sizes`: how wide the image is, and from which width of the window on it is another. A number is in
 * pixels.
 *
 *     sizes("100vw", { 640: "50vw", 1280: 600 }) // (min-width: 1280px) 600px, (min-width: 640px) 50vw, 100vw
 */
export function sizes(width: string | number, from: Record<number, string | number> = {}): string {
  const length = (value: string | number) => (typeof value === "number" ? `${value}px` : value);
  return [
    ...Object.entries(from)
      .sort(([a], [b]) => +b - +a)
      .map(([at, width]) => `(min-width: ${at}px) ${length(width)}`),
    length(width),
  ].join(", ");
}
