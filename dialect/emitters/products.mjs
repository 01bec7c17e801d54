// What products make of an original, as their documentation says: {accept, want}.
import { covered, exactly, within } from "./sizes.mjs";

const accept = "image/webp,*/*";
const number = (value) => (value === undefined ? undefined : Number(value));
const formats = { jpg: "jpeg", pjpg: "jpeg", png8: "png", png32: "png" };

/** imgix, by the parameters of a URL. */
export function imgix(original, { width, height, ...p }) {
  p = { w: width, h: height, ...p };
  let from = { w: original.w, h: original.h };
  if ([90, 270].includes(number(p.or ?? p.orient))) {
    from = { w: from.h, h: from.w };
  }
  if (p.rect) {
    const [, , w, h] = String(p.rect).split(",").map(Number);
    from = { w, h };
  }
  const dpr = number(p.dpr) ?? 1;
  // Up to 1 a side is a fraction of the original's.
  const side = (value, of) => (value === undefined ? undefined : (Number(value) <= 1 ? Number(value) * of : Number(value)) * dpr);
  const box = { w: side(p.w, from.w), h: side(p.h, from.h) };
  if (p.ar && p.fit === "crop") {
    const [x, y] = p.ar.split(":").map(Number);
    box.h ??= (box.w * y) / x;
    box.w ??= (box.h * x) / y;
    box.w = Math.round(box.w);
    box.h = Math.round(box.h);
  }
  let want;
  switch (p.fit) {
    case "crop":
    case "clamp":
    case "fill":
    case "fillmax":
    case "scale":
    case "facearea":
      want = exactly(from, box);
      break;
    case "max":
      want = within(from, box);
      break;
    case "min":
      want = covered(from, box);
      break;
    default:
      want = box.w || box.h ? within(from, box, true) : from;
  }
  // auto=format goes over fm, where the client accepts more.
  const auto = String(p.auto ?? "").split(",");
  const format = auto.includes("format") ? "webp" : (formats[p.fm] ?? p.fm ?? "jpeg");
  return { accept, want: { ...want, format } };
}

/** imgproxy, by processing options under their long names. */
export function imgproxy(original, o) {
  const dpr = o.dpr ?? 1;
  const zoom = o.zoom ?? 1;
  const box = { w: (o.width || 0) * dpr * zoom || undefined, h: (o.height || 0) * dpr * zoom || undefined };
  // It turns an image before it crops and resizes.
  const turned = [90, 270].includes(o.rotate) ? { w: original.h, h: original.w } : { w: original.w, h: original.h };
  const from = o.crop ? { w: Math.min(o.crop.width || turned.w, turned.w), h: Math.min(o.crop.height || turned.h, turned.h) } : turned;
  let want;
  switch (box.w || box.h ? o.resizing_type : "fit") {
    case "fill":
      want = o.enlarge ? exactly(from, box) : box.w && box.h ? { w: Math.min(box.w, from.w), h: Math.min(box.h, from.h) } : within(from, box);
      break;
    case "fill-down":
      want = covered(from, box);
      break;
    case "force":
      want = exactly(from, box);
      break;
    case "auto":
      want = (box.w > box.h) === (from.w > from.h) ? exactly(from, box) : within(from, box);
      break;
    default:
      want = within(from, box, o.enlarge);
  }
  if (o.extend && box.w && box.h) {
    want = { w: Math.max(want.w, box.w), h: Math.max(want.h, box.h) };
  }
  if (o.padding) {
    const { top = 0, right = top, bottom = top, left = right } = o.padding;
    want = { w: want.w + (left + right) * dpr, h: want.h + (top + bottom) * dpr };
  }
  return { accept, want: { ...want, format: formats[o.format] ?? o.format ?? "jpeg" } };
}

/** Cloudinary, by the parameters of one component. */
export function cloudinary(original, t) {
  const dpr = number(t.dpr) ?? 1;
  const box = { w: number(t.w) * dpr || undefined, h: number(t.h) * dpr || undefined };
  if (t.ar) {
    const [x, y = 1] = String(t.ar).split(":").map(Number);
    box.h ??= Math.round((box.w * y) / x);
    box.w ??= Math.round((box.h * x) / y);
  }
  let want;
  switch (t.c) {
    case "fit":
      want = within(original, box, true);
      break;
    case "limit":
      want = within(original, box);
      break;
    case "lfill":
      want = covered(original, box);
      break;
    default:
      want = exactly(original, box);
  }
  if (!box.w && !box.h) {
    want = { w: original.w, h: original.h };
  }
  if ([90, 270].includes(number(t.a))) {
    want = { w: want.h, h: want.w };
  }
  return { accept, want: { ...want, format: t.f === "auto" ? "webp" : (formats[t.f] ?? t.f ?? "jpeg") } };
}

/** weserv, by the parameters of a URL. */
export function weserv(original, p) {
  const dpr = number(p.dpr) ?? 1;
  const box = { w: number(p.w) * dpr || undefined, h: number(p.h) * dpr || undefined };
  const we = "we" in p;
  let want;
  switch (box.w && box.h ? p.fit : "inside") {
    case "cover":
      want = we ? { w: Math.min(box.w, original.w), h: Math.min(box.h, original.h) } : box;
      break;
    case "contain":
    case "fill":
      want = box;
      break;
    default:
      want = box.w || box.h ? within(original, box, !we) : { w: original.w, h: original.h };
  }
  return { accept, want: { ...want, format: formats[p.output] ?? p.output ?? "jpeg" } };
}

/** thumbor and imagor. */
export function thumbor(original, { w, h, fit, format, upscale }) {
  const box = { w: w || undefined, h: h || undefined };
  let want = { w: original.w, h: original.h };
  if (w || h) {
    want = fit === "fit-in" ? within(original, box, upscale) : exactly(original, box);
  }
  return { accept, want: { ...want, format: formats[format] ?? format ?? "jpeg" } };
}
