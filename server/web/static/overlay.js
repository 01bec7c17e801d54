// The focal point and the crop on the original. The user drags or draws them, or moves them
// with keys.

import { clamp, whole } from './geometry.js';

const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

const percent = (n) => `${Math.round(n * 100)} %`;

// smallest is the minimum side of a region, as a fraction. A shorter drag is a click.
const smallest = 0.01;

// An Overlay lies on the original. Points and regions are fractions of it. on is {
// focal(point), region(region) }, which are called during a move.
export class Overlay {
  tool = 'focal';
  #layer; #focal; #region; #handle; #on;
  #point = { x: 0.5, y: 0.5 };
  #rect = whole;

  constructor(layer, on) {
    this.#layer = layer;
    this.#focal = layer.querySelector('#focal');
    this.#region = layer.querySelector('#region');
    this.#handle = layer.querySelector('#region-handle');
    this.#on = on;
    layer.addEventListener('pointerdown', (e) => this.#grab(e));
    this.#focal.addEventListener('keydown', (e) => this.#keyFocal(e));
    this.#handle.addEventListener('keydown', (e) => this.#keyRegion(e));
  }

  // show draws the kept point, and the region. point is undefined if the server finds
  // it. set tells whether the user set the point. rect is undefined without a region.
  show(point, set, rect) {
    this.#point = point ?? { x: 0.5, y: 0.5 };
    this.#rect = rect ?? whole;
    this.#place(this.#focal, { left: this.#point.x, top: this.#point.y });
    this.#focal.classList.toggle('set', set);
    this.#focal.hidden = point === undefined || this.tool !== 'focal' && !set;
    this.#focal.tabIndex = this.tool === 'focal' ? 0 : -1;
    this.#focal.setAttribute('aria-label', `Focal point: ${percent(this.#point.x)} from the left, ${percent(this.#point.y)} from the top. Arrow keys move it.`);
    const { x, y, w, h } = this.#rect;
    this.#place(this.#region, { left: x, top: y, width: w, height: h });
    this.#region.hidden = this.tool !== 'crop' && rect === undefined;
    this.#region.classList.toggle('set', rect !== undefined);
    this.#handle.tabIndex = this.tool === 'crop' ? 0 : -1;
    this.#handle.setAttribute('aria-label', `Crop: ${percent(w)} by ${percent(h)} at ${percent(x)}, ${percent(y)}. Arrow keys move it, with Shift they resize it.`);
  }

  #place(element, sides) {
    for (const [side, fraction] of Object.entries(sides)) element.style[side] = `${fraction * 100}%`;
  }

  // at returns where on the picture the pointer is. box is where the picture stands.
  #at(event, box = this.#layer.getBoundingClientRect()) {
    return { x: clamp((event.clientX - box.left) / box.width, 0, 1), y: clamp((event.clientY - box.top) / box.height, 0, 1) };
  }

  // grab follows the pointer until it is released. What is dragged changes the options above
  // the picture, which may need another line. So the picture counts as standing where it was.
  #grab(event) {
    if (event.button !== 0) return;
    event.preventDefault();
    const move = this.tool === 'focal' ? this.#focalDrag() : this.#regionDrag(event);
    const end = new AbortController();
    const box = this.#layer.getBoundingClientRect();
    const follow = (e) => e.pointerId === event.pointerId && move(this.#at(e, box));
    const stop = (e) => e.pointerId === event.pointerId && end.abort();
    this.#layer.setPointerCapture(event.pointerId);
    this.#layer.addEventListener('pointermove', follow, { signal: end.signal });
    this.#layer.addEventListener('pointerup', stop, { signal: end.signal });
    this.#layer.addEventListener('pointercancel', stop, { signal: end.signal });
    if (this.tool === 'focal') move(this.#at(event));
  }

  #focalDrag() {
    this.#focal.hidden = false;
    this.#focal.focus({ preventScroll: true });
    return (point) => this.#on.focal(point);
  }

  // regionDrag resizes at a corner, moves inside the region, and draws a new one
  // elsewhere.
  #regionDrag(event) {
    const start = this.#at(event);
    const { x, y, w, h } = this.#rect;
    const corner = event.target.dataset?.corner;
    const drawn = w < 1 || h < 1;
    const within = start.x > x && start.x < x + w && start.y > y && start.y < y + h;
    this.#handle.focus({ preventScroll: true });
    if (!corner && drawn && within) {
      return (p) => this.#on.region({ x: clamp(x + p.x - start.x, 0, 1 - w), y: clamp(y + p.y - start.y, 0, 1 - h), w, h });
    }
    const fixed = corner ? { x: corner.includes('w') ? x + w : x, y: corner.includes('n') ? y + h : y } : start;
    return (p) => {
      const region = { x: Math.min(p.x, fixed.x), y: Math.min(p.y, fixed.y), w: Math.abs(p.x - fixed.x), h: Math.abs(p.y - fixed.y) };
      if (region.w >= smallest && region.h >= smallest) this.#on.region(region);
    };
  }

  #keyFocal(event) {
    const arrow = arrows[event.key];
    if (!arrow) return;
    event.preventDefault();
    const step = event.shiftKey ? 0.05 : 0.01;
    this.#on.focal({ x: clamp(this.#point.x + arrow[0] * step, 0, 1), y: clamp(this.#point.y + arrow[1] * step, 0, 1) });
  }

  #keyRegion(event) {
    const arrow = arrows[event.key];
    if (!arrow) return;
    event.preventDefault();
    const { x, y, w, h } = this.#rect;
    const [dx, dy] = arrow.map((n) => n * 0.02);
    this.#on.region(event.shiftKey
      ? { x, y, w: clamp(w + dx, smallest, 1 - x), h: clamp(h + dy, smallest, 1 - y) }
      : { x: clamp(x + dx, 0, 1 - w), y: clamp(y + dy, 0, 1 - h), w, h });
  }
}
