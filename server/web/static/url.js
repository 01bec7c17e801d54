// Builds the URLs of variants, and the texts to copy.

// These characters need no escape in a query. Unescaped they keep URLs readable.
const plain = /%(?:2C|3A|2F|40)/g;

// Apostrophes are escaped, so that a URL can stand in quotes of any kind, a shell's too.
const encode = (s) => encodeURIComponent(s).replaceAll("'", '%27');

export const escapeValue = (s) => encode(s).replace(plain, decodeURIComponent);

export const query = (pairs) => pairs.map(([name, value]) => `${name}=${escapeValue(value)}`).join('&');

// variantPath is the path and query of a variant. A src that a path would change (dot
// segments, a full URL) goes into the query.
export function variantPath(namespace, src, pairs) {
  const segments = src.split('/');
  const asPath = segments.length > 1 && /^[a-z0-9][a-z0-9_-]*$/.test(segments[0]) &&
    segments.every((s) => s !== '' && s !== '.' && s !== '..');
  if (!asPath) return `/${namespace}?${query([['src', src], ...pairs])}`;
  const path = `/${namespace}/${segments.map(encode).join('/')}`;
  return pairs.length ? `${path}?${query(pairs)}` : path;
}

export const escapeHTML = (s) => s.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`).replaceAll('&#38;', '&amp;');

const quote = (s) => `'${s.replaceAll("'", String.raw`'\''`)}'`;

const number = (s) => (/^\d+(\.\d+)?$/.test(s ?? '') ? Number(s) : undefined);

// imageTag is an <img> for screens with one and two pixels per point, or for a range of
// widths. url makes a URL from options. shown is the variant's size, if known.
export function imageTag(options, url, kind, shown) {
  const attributes = [`src="${escapeHTML(url(options))}"`];
  const dpr = number(options.get('dpr')) ?? 1;
  const width = number(options.get('w')) ?? number(options.get('size'));
  const height = number(options.get('h')) ?? number(options.get('size'));
  if (kind === 'widths' && (width || !height)) {
    const set = [320, 640, 960, 1280, 1920].map((w) => {
      const o = new Map(options);
      o.delete('dpr');
      o.delete('size');
      o.set('w', String(w));
      if (height) o.set('h', String(Math.max(1, Math.round(height * w / width))));
      return `${escapeHTML(url(o))} ${w}w`;
    });
    attributes.push(`srcset="${set.join(',\n    ')}"`, 'sizes="100vw"');
  } else {
    const doubled = new Map(options).set('dpr', String(Math.min(5, dpr * 2)));
    attributes.push(`srcset="${escapeHTML(url(options))} 1x,\n    ${escapeHTML(url(doubled))} 2x"`);
  }
  if (shown) attributes.push(`width="${Math.round(shown.width / dpr)}" height="${Math.round(shown.height / dpr)}"`);
  attributes.push('alt=""');
  return `<img ${attributes.join('\n  ')}>`;
}

// curl is a command that saves a variant and prints its headers.
export function curl(absolute, accept, type) {
  const ending = { 'image/jpeg': 'jpg', 'image/svg+xml': 'svg' }[type] ?? type?.replace('image/', '') ?? 'img';
  return `curl -s -D - -o variant.${ending} \\\n  -H ${quote(`Accept: ${accept}`)} \\\n  ${quote(absolute)}`;
}
