// Texts to copy for frameworks.

import { escapeHTML, query } from './url.js';

const jsx = (tag) => tag.replace('srcset=', 'srcSet=').replace(/>$/, ' />');

// whole reads a number of pixels.
const whole = (s) => (/^\d+$/.test(s ?? '') ? Number(s) : undefined);

// A loader builds URLs for the widths that a framework asks for, with the same parameters in the
// same order as those of the npm package in clients/js. It returns the URL as the inside of a
// template, in which src and width are variables, and quality, unless an option says it; the path
// of the image; and the size in the page.
function parts(base, namespace, src, options, shown) {
  const rest = new Map(options);
  for (const name of ['w', 'h', 'size', 'dpr', 'q']) rest.delete(name);
  const width = whole(options.get('size') ?? options.get('w')) ?? shown?.width ?? 800;
  const height = whole(options.get('size') ?? options.get('h'));
  if (height && !rest.has('ar')) rest.set('ar', `${width}:${height}`);
  const ratio = shown?.width ? shown.height / shown.width : height ? height / width : 1;
  const at = src.indexOf('/');
  const byURL = src.includes('://');
  const quality = options.get('q');
  const pieces = [...rest].map(([name, value]) => [name, `${query([[name, value]])}&`]);
  pieces.push(['q', quality ? `q=${quality}&` : '${quality ? `q=${quality}&` : \'\'}'], ['w', 'w=${width}&']);
  pieces.sort(([a], [b]) => (a < b ? -1 : 1));
  const start = byURL ? `${base}/${namespace}?src=\${encodeURIComponent(src)}&` : `${base}/${namespace}/${encodeURIComponent(src.slice(0, at))}/\${src.split('/').map(encodeURIComponent).join('/')}?`;
  return {
    url: (start + pieces.map(([, text]) => text).join('')).slice(0, -1),
    file: byURL ? src : src.slice(at + 1),
    width, height: Math.round(width * ratio),
    takes: quality ? '' : ', quality',
  };
}

const quoted = (text) => JSON.stringify(text);

const texts = {
  react: ({ tag }) => jsx(tag),
  next: ({ p }) => `// image-loader.js
'use client'
export default function tintype({ src, width${p.takes} }) {
  return \`${p.url}\`
}

// next.config.mjs
images: { loader: 'custom', loaderFile: './image-loader.js' }

// in a component
import Image from 'next/image'

<Image src="${escapeHTML(p.file)}" width={${p.width}} height={${p.height}} alt="" />`,
  nuxt: ({ p }) => `// providers/tintype.ts
import { defineProvider } from '@nuxt/image/runtime'

export default defineProvider({
  getImage(src, { modifiers: { width = ${p.width}${p.takes} } }) {
    return { url: \`${p.url}\` }
  },
})

// nuxt.config.ts
image: { providers: { tintype: { provider: '~/providers/tintype.ts' } } }

<!-- in a component -->
<NuxtImg provider="tintype" src="${escapeHTML(p.file)}" width="${p.width}" height="${p.height}" alt="" />`,
  css: ({ absolute, doubled }) => `background-image: image-set(url(${quoted(absolute)}) 1x, url(${quoted(doubled)}) 2x);`,
};

// A URL of a private image is signed by a server, with a key that no browser has.
// It answers a full URL to a full URL: the page is on another host.
const onServer = (base, namespace, path) => `// on your server, with an API key that may write
const answer = await fetch('${base}/v1/workspaces/${namespace}/sign', {
  method: 'POST',
  headers: { Authorization: \`Bearer \${process.env.TINTYPE_API_KEY}\`, 'Content-Type': 'application/json' },
  body: JSON.stringify({ url: ${quoted(base + path)}, expires_in: 3600 }),
})
const { signed_url } = await answer.json()`;

// framework is the text for one framework: react, next, nuxt or css. url makes a URL from
// options. tag is the <img>. path is what a server signs; undefined where URLs aren't signed.
export function framework(name, { base, namespace, src, options, shown, url, tag, path }) {
  if (path && name !== 'css') return `${onServer(base, namespace, path)}\n\n${name === 'nuxt' ? '<img :src="signed_url" alt="">' : '<img src={signed_url} alt="" />'}`;
  const doubled = new Map(options).set('dpr', String(Math.min(5, (Number(options.get('dpr')) || 1) * 2)));
  return texts[name]({ tag, absolute: url(options), doubled: url(doubled), p: parts(base, namespace, src, options, shown) });
}
