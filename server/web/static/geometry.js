// Points and regions, as fractions of an image's width and height.

export const whole = Object.freeze({ x: 0, y: 0, w: 1, h: 1 });

export const clamp = (n, least, most) => Math.min(most, Math.max(least, n));

const round = (n, digits) => Number(n.toFixed(digits));

// parseRect reads the rect option. size is the original's, in pixels. The result is
// undefined if the value is wrong, or needs a size and there is none.
export function parseRect(value, size) {
  const parts = (value ?? '').split(',');
  if (parts.length !== 4) return undefined;
  const lengths = parts.map((part, i) => {
    const [, digits, percent] = /^(\d+(?:\.\d+)?)(%?)$/.exec(part) ?? [];
    if (digits === undefined) return NaN;
    if (percent) return digits / 100;
    return size ? digits / (i % 2 ? size.height : size.width) : NaN;
  });
  const free = [0, 1].map((i) => Math.max(0, 1 - lengths[i + 2]));
  const places = [{ left: 0, center: free[0] / 2, right: free[0] }, { top: 0, center: free[1] / 2, bottom: free[1] }];
  const [x, y, w, h] = lengths.map((length, i) => places[i]?.[parts[i]] ?? length);
  if (![x, y, w, h].every(Number.isFinite) || w <= 0 || h <= 0 || x >= 1 || y >= 1) return undefined;
  return { x, y, w: Math.min(w, 1 - x), h: Math.min(h, 1 - y) };
}

// formatRect writes a region in pixels if the size is known, else in percent. It returns
// null for the whole image, which means no option.
export function formatRect({ x, y, w, h }, size) {
  if (w > 0.999 && h > 0.999) return null;
  if (!size) return [x, y, w, h].map((n) => `${round(n * 100, 1)}%`).join(',');
  const left = Math.round(x * size.width);
  const top = Math.round(y * size.height);
  return [left, top, Math.max(1, Math.round((x + w) * size.width) - left), Math.max(1, Math.round((y + h) * size.height) - top)].join(',');
}

// The option applies after rect, rotate and flip. On the page the point lies on the
// original. toFocal and fromFocal convert between them. size is the original's.
export function toFocal({ x, y }, { rect = whole, rotate = 0, flip = '', size }) {
  let p = { x: clamp((x - rect.x) / rect.w, 0, 1), y: clamp((y - rect.y) / rect.h, 0, 1) };
  const { quarters, rest } = turnOf(rotate);
  for (let i = 0; i < quarters; i++) p = { x: 1 - p.y, y: p.x };
  if (rest) p = slanted(p, rest, sideways(rect, quarters, size), false);
  if (flip.includes('h')) p.x = 1 - p.x;
  if (flip.includes('v')) p.y = 1 - p.y;
  return { x: round(p.x, 3), y: round(p.y, 3) };
}

export function fromFocal({ x, y }, { rect = whole, rotate = 0, flip = '', size }) {
  let p = { x: flip.includes('h') ? 1 - x : x, y: flip.includes('v') ? 1 - y : y };
  const { quarters, rest } = turnOf(rotate);
  if (rest) p = slanted(p, rest, sideways(rect, quarters, size), true);
  for (let i = 0; i < quarters; i++) p = { x: p.y, y: 1 - p.x };
  return { x: rect.x + p.x * rect.w, y: rect.y + p.y * rect.h };
}

// turnOf splits an angle into right angles and the remaining degrees.
function turnOf(rotate) {
  const degrees = ((rotate % 360) + 360) % 360;
  return { quarters: Math.floor(degrees / 90), rest: degrees % 90 };
}

// sideways is the size of a region after this many right angles.
function sideways(rect, quarters, size = { width: 1, height: 1 }) {
  const [w, h] = [rect.w * size.width, rect.h * size.height];
  return quarters % 2 ? [h, w] : [w, h];
}

// slanted rotates an image by less than a right angle, and converts a point of the image
// to a point of its bounding box. With back it converts in the other direction.
function slanted(p, degrees, [w, h], back) {
  const [sin, cos] = [Math.sin(degrees * Math.PI / 180), Math.cos(degrees * Math.PI / 180)];
  const [across, down] = [w * cos + h * sin, w * sin + h * cos];
  if (!back) {
    const [x, y] = [(p.x - 0.5) * w, (p.y - 0.5) * h];
    return { x: 0.5 + (x * cos - y * sin) / across, y: 0.5 + (x * sin + y * cos) / down };
  }
  const [x, y] = [(p.x - 0.5) * across, (p.y - 0.5) * down];
  return { x: clamp(0.5 + (x * cos + y * sin) / w, 0, 1), y: clamp(0.5 + (y * cos - x * sin) / h, 0, 1) };
}

// compass has the points of the gravities that name one. The server finds the point of
// other gravities.
export const compass = Object.freeze({
  northwest: { x: 0, y: 0 }, north: { x: 0.5, y: 0 }, northeast: { x: 1, y: 0 },
  west: { x: 0, y: 0.5 }, center: { x: 0.5, y: 0.5 }, east: { x: 1, y: 0.5 },
  southwest: { x: 0, y: 1 }, south: { x: 0.5, y: 1 }, southeast: { x: 1, y: 1 },
  top: { x: 0.5, y: 0 }, bottom: { x: 0.5, y: 1 }, left: { x: 0, y: 0.5 }, right: { x: 1, y: 0.5 },
});
