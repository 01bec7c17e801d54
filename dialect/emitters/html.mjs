/** The URLs of an img element's src and srcset, without their scheme and host. */
export function urlsOf(html) {
  const urls = [];
  for (const [, name, value] of html.matchAll(/\b(src|srcset)="([^"]*)"/gi)) {
    const text = value.replaceAll("&amp;", "&");
    urls.push(...(name === "src" ? [text] : text.split(/,\s+/).map((candidate) => candidate.trim().split(" ")[0])));
  }
  return [...new Set(urls.map(target))];
}

/** The path and query of a full URL, as they stand there. */
export const target = (url) => url.replace(/^[a-z]+:\/\/[^/]*/, "");
