// Where a mark lies on a picture, as the server computes it (transform/mark.go). The server
// decides; here it is for what moves under the pointer.

import { clamp } from './geometry.js';

// parseLength reads a length: { value, percent }. It is undefined if the text is none.
export function parseLength(text) {
  const [, digits, percent] = /^(\d+(?:\.\d+)?)(%?)$/.exec(text.trim()) ?? [];
  return digits === undefined ? undefined : { value: Number(digits), percent: percent === '%' };
}

const onSide = (length, side) => Math.round(length.percent ? length.value * side / 100 : length.value);

// ends returns where the mark is aligned to: 0, 0.5 or 1 across and down.
export function ends(align) {
  const words = align.split(',');
  const end = (first, last) => (words.includes(first) ? 0 : words.includes(last) ? 1 : 0.5);
  return { x: end('left', 'right'), y: end('top', 'bottom') };
}

// alignOf is the inverse of ends.
export function alignOf({ x, y }) {
  if (x === 0.5 && y === 0.5) return 'center';
  return `${['top', 'center', 'bottom'][y * 2]},${['left', 'center', 'right'][x * 2]}`;
}

// boxOf returns the size of the mark on a picture. mark has the fields as text: { width,
// height, size, fit }. picture and image are sizes in pixels: { width, height }.
export function boxOf(mark, picture, image) {
  const both = parseLength(mark.size);
  let width = parseLength(mark.width) ?? both;
  const height = parseLength(mark.height) ?? both;
  if (!width && !height) width = { value: 15, percent: true };
  const side = (length, whole) => (length ? clamp(onSide(length, whole), 1, whole) : whole);
  const box = { width: side(width, picture.width), height: side(height, picture.height) };
  const whole = ['contain', 'scale-down'].includes(mark.fit);
  if (!whole && width && height) return mark.fit === 'crop' ? shrunk(box, image) : box;
  const scale = Math.min(box.width / image.width, box.height / image.height, ['scale-down', 'crop'].includes(mark.fit) ? 1 : Infinity);
  return times(image, scale);
}

const times = ({ width, height }, factor) => ({ width: Math.max(1, Math.round(width * factor)), height: Math.max(1, Math.round(height * factor)) });

// shrunk makes a box as small as the image allows without being enlarged.
const shrunk = (box, image) => times(box, Math.min(1, image.width / box.width, image.height / box.height));

// padOf returns the distance from the edges, in pixels.
export function padOf(mark, picture) {
  return onSide(parseLength(mark.pad) ?? { value: 2, percent: true }, Math.min(picture.width, picture.height));
}

const cornerOf = (at, box, picture, pad) => {
  const place = (end, free) => (end === 0.5 ? Math.floor(free / 2) : end === 0 ? Math.min(pad, free) : free - Math.min(pad, free));
  return { x: place(at.x, picture.width - box.width), y: place(at.y, picture.height - box.height) };
};

// place returns the mark's rectangle on the picture, in pixels: { x, y, width, height }.
export function place(mark, picture, image) {
  const box = boxOf(mark, picture, image);
  return { ...cornerOf(ends(mark.align), box, picture, padOf(mark, picture)), ...box };
}

// nearest returns the place and the distance from the edges, in pixels, with which a mark of
// this size lies closest to a point, its top left corner: { align, pad }. Only a place in
// the middle has no distance of its own: it keeps pad.
export function nearest(point, box, picture, pad) {
  const free = { x: picture.width - box.width, y: picture.height - box.height };
  const most = Math.max(0, Math.min(picture.width, picture.height) / 2);
  let best;
  for (const y of [0, 0.5, 1]) {
    for (const x of [0, 0.5, 1]) {
      const wanted = [];
      if (x !== 0.5) wanted.push(x ? free.x - point.x : point.x);
      if (y !== 0.5) wanted.push(y ? free.y - point.y : point.y);
      const distance = wanted.length ? clamp(Math.round(wanted.reduce((a, b) => a + b) / wanted.length), 0, most) : pad;
      const corner = cornerOf({ x, y }, box, picture, distance);
      const off = Math.hypot(corner.x - point.x, corner.y - point.y);
      if (!best || off < best.off) best = { off, align: alignOf({ x, y }), pad: distance };
    }
  }
  return best;
}

// formatLike writes a length of so many pixels in the unit of a text: pixels where it has
// pixels, else percent of a side.
export function formatLike(text, pixels, side) {
  const old = parseLength(text);
  if (old && !old.percent) return String(Math.round(pixels));
  return `${Number((pixels * 100 / side).toFixed(1))}%`;
}

// scaled multiplies a length, and keeps its unit.
export function scaled(text, factor) {
  const { value, percent } = parseLength(text);
  if (percent) return `${clamp(Number((value * factor).toFixed(1)), 0.5, 100)}%`;
  return String(clamp(Math.round(value * factor), 1, 8192));
}
