// Points and regions, all in fractions of an image's width and height.

export const whole = Object.freeze({ x: 0, y: 0, w: 1, h: 1 });

export const clamp = (n, least, most) => Math.min(most, Math.max(least, n));

const round = (n, digits) => Number(n.toFixed(digits));

// parseRect reads the rect option; size is the original's, in pixels. What can't
// be read, or not without a size, is undefined.
export function parseRect(value, size) {
  const parts = (value ?? '').split(',');
  if (parts.length !== 4) return undefined;
  const [x, y, w, h] = parts.map((part, i) => {
    const [, digits, percent] = /^(\d+(?:\.\d+)?)(%?)$/.exec(part) ?? [];
    if (digits === undefined) return NaN;
    if (percent) return digits / 100;
    return size ? digits / (i % 2 ? size.height : size.width) : NaN;
  });
  if (![x, y, w, h].every(Number.isFinite) || w <= 0 || h <= 0 || x >= 1 || y >= 1) return undefined;
  return { x, y, w: Math.min(w, 1 - x), h: Math.min(h, 1 - y) };
}

// formatRect writes a region in pixels where the size is known, else in percent.
// The whole image is null: the option left out.
export function formatRect({ x, y, w, h }, size) {
  if (w > 0.999 && h > 0.999) return null;
  if (!size) return [x, y, w, h].map((n) => `${round(n * 100, 1)}%`).join(',');
  const left = Math.round(x * size.width);
  const top = Math.round(y * size.height);
  return [left, top, Math.max(1, Math.round((x + w) * size.width) - left), Math.max(1, Math.round((y + h) * size.height) - top)].join(',');
}

// The focal point counts after rect, rotate and flip; on the page it lies on the
// original. toFocal and fromFocal lead from one to the other.
export function toFocal({ x, y }, { rect = whole, rotate = 0, flip = '' }) {
  let p = { x: clamp((x - rect.x) / rect.w, 0, 1), y: clamp((y - rect.y) / rect.h, 0, 1) };
  for (let i = 0; i < rotate / 90; i++) p = { x: 1 - p.y, y: p.x };
  if (flip.includes('h')) p.x = 1 - p.x;
  if (flip.includes('v')) p.y = 1 - p.y;
  return { x: round(p.x, 3), y: round(p.y, 3) };
}

export function fromFocal({ x, y }, { rect = whole, rotate = 0, flip = '' }) {
  let p = { x: flip.includes('h') ? 1 - x : x, y: flip.includes('v') ? 1 - y : y };
  for (let i = 0; i < rotate / 90; i++) p = { x: p.y, y: 1 - p.x };
  return { x: rect.x + p.x * rect.w, y: rect.y + p.y * rect.h };
}

// compass are the points that the words of gravity stand for. Other words leave the
// choice to the server.
export const compass = Object.freeze({
  northwest: { x: 0, y: 0 }, north: { x: 0.5, y: 0 }, northeast: { x: 1, y: 0 },
  west: { x: 0, y: 0.5 }, center: { x: 0.5, y: 0.5 }, east: { x: 1, y: 0.5 },
  southwest: { x: 0, y: 1 }, south: { x: 0.5, y: 1 }, southeast: { x: 1, y: 1 },
});
