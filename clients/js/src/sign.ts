import type { Picture } from "./url.js";

/** How {@link sign} signs. */
export interface Signing {
  /** A signing key's secret: the 64 hex digits that the API answered. Keep it on the server. */
  secret: string;
  /** How long the URL is valid, in seconds. Left out, it is an hour. 0 is for ever, which private sources refuse. */
  expiresIn?: number;
  /** When the URL ends, instead of `expiresIn`. The same `expires` gives the same URL, which caches then know. */
  expires?: Date;
  /** The workspace, for a URL in host form, whose path has no namespace. */
  namespace?: string;
}

/**
 * Signs the URL of an image, or its path and query. It needs no more than WebCrypto, so it runs in Node, workers and at the
 * edge. Browsers can run it too, but a page that has the secret gives it to everybody.
 */
export async function sign(url: string, { secret, expiresIn = 3600, expires, namespace }: Signing): Promise<string> {
  if (!/^[0-9a-f]{64}$/i.test(secret)) throw new TypeError(secret ? "a signing secret is 64 hex digits" : "the signing secret is missing: is its variable set?");
  const [, host, path] = /^(https?:\/\/[^/?#]+)?(\/[^]*)$/i.exec(url) ?? [];
  if (!path) throw new TypeError(`"${url}" is no URL of an image, nor a path that begins with /`);
  if (/[\0-\x20#\x7f]/.test(path)) throw new TypeError(`"${url}" holds a character that must be percent-encoded`);
  let target = (namespace ? "/" + namespace : "") + path;
  const pieces = target.split("?").slice(1).join("?").split("&");
  const values = (name: string) => pieces.filter((piece) => piece.split("=")[0] === name).map((piece) => piece.slice(name.length + 1));
  if (values("sig").length) throw new TypeError(`"${url}" is signed already`);
  const ends = values("exp");
  if (ends.length > 1 || !ends.every((end) => /^\d{1,12}$/.test(end))) throw new TypeError(`"${url}": exp must be there once at most, as Unix seconds`);
  const exp = expires ? Math.floor(+expires / 1000) : expiresIn && Math.floor(Date.now() / 1000) + expiresIn;
  const add = (name: string, value: string | number) => (target += (target.includes("?") ? "&" : "?") + name + "=" + value);
  if (exp) {
    if (ends.length) throw new TypeError(`"${url}" has an exp already: sign it with expiresIn: 0`);
    add("exp", exp);
  }
  const bytes = Uint8Array.from(secret.match(/../g)!, (digits) => parseInt(digits, 16));
  const key = await crypto.subtle.importKey("raw", bytes, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  const sum = await crypto.subtle.sign("HMAC", key, new TextEncoder().encode(target));
  add("sig", Array.from(new Uint8Array(sum), (byte) => byte.toString(16).padStart(2, "0")).join(""));
  return (host ?? "") + (namespace ? target.slice(namespace.length + 1) : target);
}

/** Signs every URL of a srcset. */
export async function signSrcset(srcset: string, signing: Signing): Promise<string> {
  const signed = srcset.split(", ").map(async (candidate) => {
    const [url, ...descriptor] = candidate.split(" ");
    return [await sign(url!, signing), ...descriptor].join(" ");
  });
  return (await Promise.all(signed)).join(", ");
}

/** Signs every URL of what `img` or `picture` answered. */
export async function signPicture<T extends Picture | Picture["img"]>(picture: T, signing: Signing): Promise<T> {
  // Candidates that expire together: one time for all.
  if (!signing.expires && signing.expiresIn !== 0) {
    signing = { ...signing, expires: new Date(Date.now() + 1000 * (signing.expiresIn ?? 3600)) };
  }
  if ("img" in picture) {
    return {
      ...picture,
      sources: await Promise.all(picture.sources.map(async (source) => ({ ...source, srcset: await signSrcset(source.srcset, signing) }))),
      img: await signPicture(picture.img, signing),
    };
  }
  return { ...picture, src: await sign(picture.src, signing), srcset: await signSrcset(picture.srcset, signing) };
}
