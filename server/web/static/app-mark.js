// The editor of a mark: the mark is dragged on the picture, and each change shows the
// picture that the server would deliver.

import { clamp } from './geometry.js';
import { accept, Latest } from './load.js';
import { alignOf, boxOf, ends, formatLike, nearest, padOf, parseLength, place, scaled } from './mark.js';

const $ = (selector) => document.querySelector(selector);
const form = $('#editor');
const fields = form.elements;
const board = $('#board');
const preview = $('#preview');
const pause = 200; // ms after an edit before the server is asked

const tasks = { preview: new Latest(), image: new Latest() };
let picture; // size of the picture, in pixels
let image; // size of the mark's image
let shown = true; // the mark is on the picture
let drawn; // the mark's image that is known
let timer;

// Fields of the form. A name may stand for several inputs.
const value = (name) => fields[name]?.value.trim() ?? '';
const mark = () => Object.fromEntries(['width', 'height', 'size', 'fit', 'align', 'pad'].map((name) => [name, value(name)]));
const opacity = () => { const n = Number(value('opacity') || 1); return Number.isFinite(n) ? clamp(n, 0, 1) : 1; };

// The mark under the pointer: an outline, and the image while the picture is behind.
const handle = document.createElement('button');
handle.type = 'button';
handle.className = 'handle';
handle.hidden = true;
const ghost = document.createElement('img');
ghost.alt = '';
ghost.draggable = false;
handle.append(ghost);
const corners = [[0, 0], [1, 0], [0, 1], [1, 1]].map(([x, y]) => {
  const corner = document.createElement('i');
  corner.dataset.x = x;
  corner.dataset.y = y;
  handle.append(corner);
  return corner;
});
board.append(handle);
preview.draggable = false;

const words = { 'top,left': 'top left', 'top,center': 'top', 'top,right': 'top right', 'center,left': 'left', center: 'centre', 'center,right': 'right', 'bottom,left': 'bottom left', 'bottom,center': 'bottom', 'bottom,right': 'bottom right' };

function describe() {
  const box = boxOf(mark(), picture, image);
  return `${words[value('align')]}, ${value('pad') || '2%'} from the edges, ${Math.round(box.width * 100 / picture.width)}% wide`;
}

// draw lays the outline where the fields say.
function draw() {
  $('#opacity-slider').value = opacity();
  handle.hidden = !(picture && image && shown);
  if (handle.hidden) return;
  const { x, y, width, height } = place(mark(), picture, image);
  Object.assign(handle.style, {
    left: `${x * 100 / picture.width}%`, top: `${y * 100 / picture.height}%`, width: `${width * 100 / picture.width}%`, height: `${height * 100 / picture.height}%`,
  });
  handle.style.setProperty('--opacity', opacity());
  const at = ends(value('align'));
  for (const corner of corners) corner.hidden = Number(corner.dataset.x) === at.x || Number(corner.dataset.y) === at.y;
  handle.setAttribute('aria-label', `The mark: ${describe()}. Arrow keys move it, plus and minus change its size, Shift with an arrow key changes the distance.`);
}

// edited draws the outline at once, and asks for the picture after a pause.
function edited() {
  clearTimeout(timer);
  tasks.preview.stop();
  board.classList.add('late');
  draw();
  timer = setTimeout(look, pause);
}

function body(more) {
  const data = new URLSearchParams(new FormData(form));
  for (const [name, text] of Object.entries(more ?? {})) data.set(name, text);
  return data;
}

// A Refused is an answer without a picture: what is wrong, also by field.
class Refused extends Error {
  constructor({ message, fields: wrong }) {
    super(message);
    this.fields = wrong ?? {};
  }
}

// ask returns a picture that the server makes of the form: { url, width, height, headers }.
async function ask(more, signal) {
  let response;
  try {
    response = await fetch(form.dataset.preview, { method: 'POST', body: body(more), signal, headers: { Accept: accept } });
  } catch (err) {
    if (signal.aborted) throw err;
    throw new Refused({ message: 'The server can’t be reached. Try again.' });
  }
  const type = response.headers.get('Content-Type') ?? '';
  if (type.startsWith('application/json')) throw new Refused(await response.json());
  if (!type.startsWith('image/')) throw new Refused({ message: response.redirected ? 'You are signed out. Open the page again and sign in.' : `The preview failed with status ${response.status}. Try again.` });
  const loaded = new Image();
  loaded.src = URL.createObjectURL(await response.blob());
  try {
    await loaded.decode();
    signal.throwIfAborted();
  } catch (err) {
    URL.revokeObjectURL(loaded.src);
    if (signal.aborted) throw err;
    throw new Refused({ message: 'This browser can’t show the picture.' });
  }
  return { url: loaded.src, width: loaded.naturalWidth, height: loaded.naturalHeight, headers: response.headers };
}

function replace(img, url) {
  if (img.src.startsWith('blob:')) URL.revokeObjectURL(img.src);
  img.src = url;
}

// look shows the picture as it would be delivered.
function look() {
  clearTimeout(timer);
  if (!value('image') || !value('picture')) {
    blame({});
    return;
  }
  $('#mat').classList.add('busy');
  lookAtImage();
  tasks.preview.run((signal) => ask({}, signal), (made) => {
    replace(preview, made.url);
    picture = { width: made.width, height: made.height };
    shown = made.headers.get('Tintype-Preview-Shown') === '1';
    board.hidden = false;
    $('#message').hidden = true;
    board.classList.remove('late');
    settled();
    blame({});
    draw();
    const says = decodeURIComponent(made.headers.get('Tintype-Preview-Says') ?? '');
    say(shown && image ? `${says} The mark is at the ${describe()}.` : says);
  }, (err) => {
    settled();
    board.classList.remove('late');
    blame(err.fields ?? {});
    say(err.message || 'Correct the fields that are marked to see the picture.', true);
  });
}

// lookAtImage loads the mark's image, for the outline. What is wrong with it, look says.
function lookAtImage() {
  const name = value('image');
  if (name === drawn) return;
  tasks.image.run((signal) => ask({ show: 'mark', preview_width: '1600' }, signal), (made) => {
    drawn = name;
    image = { width: made.width, height: made.height };
    replace(ghost, made.url);
    draw();
  }, () => {
    image = undefined;
    drawn = undefined;
    draw();
  });
}

function settled() { $('#mat').classList.remove('busy'); }

function say(text, bad) {
  $('#said').textContent = text;
  $('#said').classList.toggle('bad', Boolean(bad));
}

// blame shows what is wrong beside the fields, and clears what was wrong before.
function blame(wrong) {
  for (const old of form.querySelectorAll('.fault')) {
    const input = document.getElementById(old.id.replace(/-fault$/, ''));
    input?.removeAttribute('aria-invalid');
    if (input?.getAttribute('aria-describedby')) input.setAttribute('aria-describedby', input.getAttribute('aria-describedby').replace(old.id, '').trim());
    old.remove();
  }
  for (const [name, text] of Object.entries(wrong)) {
    const input = document.getElementById(name);
    const p = Object.assign(document.createElement('p'), { className: 'fault', id: `${name}-fault`, textContent: text });
    const around = input?.closest('.field') ?? form.querySelector(`[name="${name}"]`)?.closest('fieldset');
    if (!around) continue;
    input?.setAttribute('aria-invalid', 'true');
    input?.setAttribute('aria-describedby', `${p.id} ${input.getAttribute('aria-describedby') ?? ''}`.trim());
    const help = around.querySelector('.help');
    if (help) help.before(p); else around.append(p);
  }
}

function setAlign(align) {
  for (const input of form.querySelectorAll('[name=align]')) input.checked = input.value === align;
}

function setPad(pixels) {
  const side = Math.min(picture.width, picture.height);
  const text = formatLike(value('pad'), pixels, side);
  if (value('pad') || text !== '2%') fields.pad.value = text;
}

// resize multiplies the size. Without one, the mark gets a width.
function resize(factor) {
  const given = ['width', 'height', 'size'].filter((name) => parseLength(value(name)));
  if (!given.length) fields.width.value = scaled('15%', factor);
  for (const name of given) fields[name].value = scaled(value(name), factor);
}

// The pointer moves the mark, or a corner of it.
handle.addEventListener('pointerdown', (event) => {
  if (event.button !== 0 || !picture || !image) return;
  event.preventDefault();
  handle.focus({ preventScroll: true });
  const scale = picture.width / board.getBoundingClientRect().width;
  const start = place(mark(), picture, image);
  const sizes = Object.fromEntries(['width', 'height', 'size'].map((name) => [name, fields[name].value]));
  const pad = padOf(mark(), picture);
  const at = ends(value('align'));
  const corner = event.target.dataset.x === undefined ? undefined : { x: Number(event.target.dataset.x), y: Number(event.target.dataset.y) };
  const end = new AbortController();
  const move = (dx, dy) => {
    if (!corner) {
      const best = nearest({ x: start.x + dx, y: start.y + dy }, start, picture, pad);
      setAlign(best.align);
      setPad(best.pad);
      return;
    }
    // In the middle of a side the mark grows to both ends of it.
    const grow = (delta, to, end) => (to ? delta : -delta) * (end === 0.5 ? 2 : 1);
    const width = start.width + grow(dx, corner.x, at.x);
    const height = start.height + grow(dy, corner.y, at.y);
    Object.assign(fields.width, { value: sizes.width });
    Object.assign(fields.height, { value: sizes.height });
    Object.assign(fields.size, { value: sizes.size });
    resize(clamp(Math.max(width / start.width, height / start.height), 1 / start.width, Math.min(picture.width / start.width, picture.height / start.height)));
  };
  let moved = false;
  handle.setPointerCapture(event.pointerId);
  handle.addEventListener('pointermove', (e) => {
    if (e.pointerId !== event.pointerId) return;
    const [dx, dy] = [(e.clientX - event.clientX) * scale, (e.clientY - event.clientY) * scale];
    if (!moved && Math.hypot(dx, dy) < 3 * scale) return;
    moved = true;
    board.classList.add('dragged', 'late');
    clearTimeout(timer);
    tasks.preview.stop();
    move(dx, dy);
    draw();
  }, { signal: end.signal });
  for (const type of ['pointerup', 'pointercancel']) {
    handle.addEventListener(type, (e) => {
      if (e.pointerId !== event.pointerId) return;
      end.abort();
      board.classList.remove('dragged');
      if (moved) edited();
    }, { signal: end.signal });
  }
});

handle.addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || !picture) return;
  const arrow = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
  if (arrow && event.shiftKey) {
    const step = Math.min(picture.width, picture.height) / 100;
    const more = event.key === 'ArrowUp' || event.key === 'ArrowRight';
    setPad(Math.max(0, padOf(mark(), picture) + (more ? step : -step)));
  } else if (arrow) {
    const at = ends(value('align'));
    setAlign(alignOf({ x: clamp(at.x + arrow[0] / 2, 0, 1), y: clamp(at.y + arrow[1] / 2, 0, 1) }));
  } else if (event.key === '+' || event.key === '=') {
    resize(1.1);
  } else if (event.key === '-') {
    resize(1 / 1.1);
  } else {
    return;
  }
  event.preventDefault();
  edited();
});

const slider = $('#opacity-slider');
slider.value = opacity();
slider.hidden = false;
slider.addEventListener('input', () => {
  fields.opacity.value = slider.value;
  edited();
});

// The name of a new mark changes no picture.
form.addEventListener('input', ({ target }) => {
  if (target.name && target.name !== 'name') edited();
});

form.addEventListener('submit', (event) => {
  const button = event.submitter;
  if (button?.name === 'pick') fields.picture.value = button.value;
  else if (button?.id !== 'look') return;
  event.preventDefault();
  look();
});

// The picture of the page is right unless the browser has brought back what was typed.
const typed = [...fields].some((f) => f.name && (f.type === 'radio' || f.type === 'checkbox' ? f.checked !== f.defaultChecked : f.type === 'text' && f.value !== f.defaultValue));
if (preview.getAttribute('src') && !typed) {
  preview.decode().then(() => {
    picture = { width: preview.naturalWidth, height: preview.naturalHeight };
    draw();
  }, look);
  lookAtImage();
} else {
  look();
}
