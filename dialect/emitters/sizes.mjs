// The sizes that products make of an original of w × h pixels.

const round = (n) => Math.max(1, Math.round(n));

/** As large as fits into w × h, of which one may be missing, in the original's ratio. */
export function within(original, { w = Infinity, h = Infinity }, enlarge = false) {
  const scale = Math.min(w / original.w, h / original.h, enlarge ? Infinity : 1);
  return scale === Infinity ? { w: original.w, h: original.h } : { w: round(original.w * scale), h: round(original.h * scale) };
}

/** Exactly w × h, or one of them in the original's ratio. */
export function exactly(original, { w, h }) {
  return w && h ? { w, h } : within(original, { w, h }, true);
}

/** w × h, shrunk in its own ratio until the original covers it. */
export function covered(original, { w, h }) {
  if (!w || !h) {
    return within(original, { w, h });
  }
  const scale = Math.min(1, original.w / w, original.h / h);
  return { w: round(w * scale), h: round(h * scale) };
}
