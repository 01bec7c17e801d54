// The playground: it turns the state into a URL and pictures.

import { Controls } from './controls.js';
import { copy } from './copy.js';
import { framework } from './frameworks.js';
import { compass, fromFocal, formatRect, parseRect, toFocal } from './geometry.js';
import { accept, describedAt, factsPath, Latest, loadETag, loadFacts, loadImage, loadSize, Refusal } from './load.js';
import { Overlay } from './overlay.js';
import { Pane } from './pane.js';
import { State } from './state.js';
import { curl, imageTag, query, variantPath } from './url.js';
import * as words from './words.js';

const $ = (selector) => document.querySelector(selector);
const page = JSON.parse($('#page-data').textContent);

// How long the page waits for another edit before it requests a variant.
const pause = 120; // ms

// How often a live page looks whether its picture has changed.
const look = 1000; // ms

// The original is shown within this square.
const preview = 1280; // pixels

// Options that decide the shape of a variant. The slider compares the variant with the
// original in the same shape.
const shaping = ['w', 'h', 'size', 'dpr', 'fit', 'enlarge', 'ar', 'gravity', 'fp-x', 'fp-y', 'fp-z', 'rect', 'inset', 'trim', 'rotate', 'flip', 'bg', 'pad', 'radius', 'preset'];

// Options that decide how pixels are encoded, but not how many there are.
const encoding = ['format', 'q', 'lossless', 'progressive'];

// Codes of errors about the original.
const sourceCodes = new Set(['INVALID_SOURCE', 'INVALID_PATH', 'SOURCE_NOT_FOUND', 'SOURCE_NOT_ALLOWED', 'ADDRESS_NOT_ALLOWED', 'NOT_FOUND', 'ORIGIN_ERROR', 'ORIGIN_TIMEOUT']);

const hints = {
  focal: 'Drag the ring to set the focal point, or use the arrow keys.',
  found: 'The server chooses what to keep. To choose the point yourself, drag on the original.',
  crop: 'Draw the part to keep. Drag it or its corners to change it.',
  compare: 'Drag the boundary. The left side has no effects and no compression.',
};

// Words for errors that no server has sent.
const others = {
  NO_ANSWER: { means: 'The server doesn’t answer.', do: 'Look at the connection, then request the image again.' },
  SIGNED_OUT: { means: 'You are signed out.', do: 'Your session has ended.', path: `/app/me/sign-in?next=${encodeURIComponent(location.pathname + location.search)}`, title: 'Sign in again' },
};

const state = new State(page.options, {
  src: page.member?.src ?? $('input[name=picture]')?.value ?? '',
  options: page.member?.first ?? { w: '480', h: '480', fit: 'cover', gravity: 'attention' },
});
const panes = { original: new Pane($('#original')), variant: new Pane($('#variant')), compare: new Pane($('#compare')) };
const jobs = { original: new Latest(), facts: new Latest(), variant: new Latest(), compare: new Latest(), reference: new Latest(), snippets: new Latest() };
let original; // facts of the original; undefined until known
let variant; // the variant that is shown
let reference; // what the variant's bytes are compared with: { bytes, name, title }
let said = ''; // a message below the pictures; empty shows how to use the tool
let shownSource; // the src that the original pane shows
let timer;

const view = () => $('input[name=view]:checked').value;
const pairs = () => [...state.options];
const path = (options = state.options) => variantPath(page.namespace, state.src, [...options]);

// On the page of the dashboard, a member of the workspace uses the playground.
const member = page.member && new (await import('./member.js')).Member(page.member, {
  option: (name, value) => change(name, value),
  source: (src) => state.setSource(src),
  again: () => update(),
  browsed: () => showPicture(),
});

// signs reports whether the page has URLs of this original signed.
const signs = () => Boolean(member?.signs(state.src)) && !member.refusal(state.src);

// address is the path to fetch, signed where it must be.
const address = (plain) => (signs() ? member.sign(plain) : plain);

// absolute is the URL to copy. Its signature is missing until the server has made it.
const absolute = (options) => new URL((signs() && member.known(path(options))) || path(options), member?.base ?? location.href).href;

// advice says what an error means, and what to do about it.
function advice(err) {
  const known = page.advice[err.code] ?? others[err.code] ?? { means: 'No image came back.', do: 'Request it again. If it stays, give the number to the operator.' };
  return known.carried ? { ...known, path: here(known.path) } : known;
}

// here is the URL of a page that opens with the original and the options of this one.
const here = (path) => `${path}?${query([['src', state.src], ['options', query(pairs())]])}`;

const controls = new Controls(page.options, change);
const overlay = new Overlay($('#layer'), { focal: moveFocal, region: (region) => change('rect', formatRect(region, original)) });

// change sets one option, and changes others that would contradict it.
function change(name, value) {
  const changes = { [name]: value };
  if (name === 'gravity' && value !== 'focal') Object.assign(changes, { 'fp-x': null, 'fp-y': null, 'fp-z': null });
  if (name.startsWith('fp-') && state.options.get('gravity') !== 'focal') changes.gravity = null;
  hint('');
  state.set(changes);
}

// moveFocal sets the focal point. The point has an effect only with a crop. Without one,
// moveFocal adds a square crop.
function moveFocal(point) {
  const { x, y } = toFocal(point, turns());
  const changes = { 'fp-x': String(x), 'fp-y': String(y) };
  const o = state.options;
  if (o.get('gravity') !== 'focal') changes.gravity = null;
  const added = [];
  if (!['cover', 'crop', 'pad'].includes(o.get('fit')) && !o.has('preset')) {
    changes.fit = 'cover';
    added.push('fit=cover');
    if (!o.has('ar') && !o.has('size') && !(o.has('w') && o.has('h'))) {
      changes.ar = '1:1';
      added.push('ar=1:1');
    }
  }
  if (added.length) hint(`${added.join(' and ')} added, because a focal point only has an effect on a crop.`);
  state.set(changes);
}

// turns returns the options that apply before the focal point.
function turns() {
  return {
    rect: parseRect(state.options.get('rect'), original),
    rotate: Number(state.options.get('rotate') ?? 0) || 0,
    flip: state.options.get('flip') ?? '',
    size: original,
  };
}

// hint shows a text below the pictures. Without a text it shows how to use the tool.
function hint(text) {
  said = text;
  showHint();
}

function showHint() {
  const tool = overlay.tool === 'focal' && !keptPoint() ? 'found' : overlay.tool;
  $('#hint').textContent = said || (state.src ? hints[view() === 'compare' ? 'compare' : tool] : '');
}

// show updates everything but the pictures.
function show() {
  const o = state.options;
  const focal = hasFocal();
  controls.show(o, focal ? { gravity: 'focal' } : {});
  if (document.activeElement !== $('#src')) $('#src').value = state.src;
  showPicture();
  showAddress();
  overlay.show(keptPoint(), focal, turns().rect);
  showSnippets();
  showHint();
  for (const button of document.querySelectorAll('.copy, #again')) button.disabled = !state.src || button.id !== 'again' && unsigned().length > 0;
  member?.show(state.src, o, path());
}

// showPicture marks the original among the pictures to choose from. It puts a word in the
// place of pictures that the server doesn't show.
function showPicture() {
  for (const input of document.querySelectorAll('input[name=picture]')) input.checked = input.value === state.src;
  for (const img of document.querySelectorAll('.picture img')) {
    const missing = () => img.replaceWith(Object.assign(document.createElement('span'), { className: 'none', textContent: 'not shown' }));
    if (img.complete && img.currentSrc && !img.naturalWidth) missing();
    else img.onerror = missing;
  }
}

function showAddress() {
  $('#chips').replaceChildren(...pairs().map(([name, value]) => chip(name, value)));
  $('#reset-all').hidden = state.options.size === 0;
  if (!state.src) {
    $('#url').replaceChildren(Object.assign(document.createElement('span'), { className: 'none', textContent: 'Choose an original to get its URL.' }));
    return;
  }
  const [where, asked] = path().split(/(?=\?)/);
  const { origin } = new URL(absolute());
  const signature = ((signs() && member.known(path())) || '').slice(path().length);
  $('#url').replaceChildren(part(origin, 'host'), part(where, 'path'), part(asked ?? '', 'asked'), part(signature, 'host'));
}

// part is a piece of a URL that can break between lines after /, & and ?.
function part(text, name) {
  const span = Object.assign(document.createElement('span'), { className: name });
  for (const piece of text.split(/(?<=[/&?])/)) span.append(piece, document.createElement('wbr'));
  return span;
}

function chip(name, value) {
  const item = document.createElement('li');
  const go = Object.assign(document.createElement('button'), { type: 'button', title: `Go to ${name}` });
  go.append(Object.assign(document.createElement('b'), { textContent: name }), `=${value}`);
  go.addEventListener('click', () => controls.focus(name));
  const remove = Object.assign(document.createElement('button'), { type: 'button', textContent: '×', className: 'remove' });
  remove.setAttribute('aria-label', `Remove ${name}`);
  remove.addEventListener('click', () => {
    change(name, null);
    ($('#chips .remove') ?? $('#src')).focus();
  });
  item.append(go, remove);
  return item;
}

// hasFocal reports whether the options set a focal point.
const hasFocal = () => ['fp-x', 'fp-y', 'fp-z'].some((name) => state.options.has(name)) || state.options.get('gravity') === 'focal';

// keptPoint is the point of the original that the crop keeps, or undefined if the server
// finds it.
function keptPoint() {
  const o = state.options;
  const point = hasFocal() ? { x: Number(o.get('fp-x') ?? 0.5), y: Number(o.get('fp-y') ?? 0.5) } : compass[o.get('gravity') ?? 'center'];
  return point && fromFocal(point, turns());
}

// snippets are the texts to copy. url makes a URL from options.
function snippets(url) {
  const tag = imageTag(state.options, url, $('input[name=srcset]:checked').value, variant?.width ? variant : undefined);
  const about = {
    base: member?.base ?? location.origin, namespace: page.namespace, src: state.src, options: state.options, shown: variant, url, tag,
    path: member?.signs(state.src) ? path() : undefined,
  };
  return {
    path: (signs() && member.known(path())) || path(), absolute: url(state.options), img: tag,
    framework: framework($('#framework').value, about), curl: curl(url(state.options), accept, variant?.type),
  };
}

// unsigned are the paths in texts to copy that the server must sign first.
function unsigned() {
  if (!state.src || !signs()) return [];
  const paths = new Set();
  snippets((options) => {
    paths.add(path(options));
    return absolute(options);
  });
  return [...paths].filter((plain) => !member.known(plain));
}

function showSnippets() {
  const texts = state.src && !unsigned().length ? snippets(absolute) : {};
  for (const code of document.querySelectorAll('.snippet code')) code.textContent = texts[code.id.replace('snippet-', '')] ?? '';
}

// signSnippets has the texts to copy signed, and then shows them. Signatures may have come
// since show was called last, for a request that another change has overtaken.
function signSnippets() {
  const paths = unsigned();
  if (!paths.length) {
    if (signs()) show();
    return;
  }
  jobs.snippets.run(() => Promise.all(paths.map((plain) => member.sign(plain))), show, () => {}); // the pane shows the error
}

// loadOriginal shows another original and loads its facts.
function loadOriginal() {
  if (shownSource === state.src) return;
  shownSource = state.src;
  original = undefined;
  panes.original.caption();
  if (!state.src) {
    jobs.original.stop();
    jobs.facts.stop();
    const how = $('.picture') ? 'Choose a picture above, or name one' : 'Name one in the field above,';
    for (const pane of [panes.original, panes.compare]) pane.note('No original yet', `${how} as source/path or by its URL.`);
    return;
  }
  const refusal = member?.refusal(state.src);
  if (refusal || member?.presetsOnly) {
    jobs.original.stop();
    jobs.facts.stop();
    if (refusal) panes.original.refuse({}, refusal);
    else panes.original.note('The original isn’t shown', 'The workspace serves presets only.');
    return;
  }
  panes.original.busy(true);
  const shown = variantPath(page.namespace, state.src, [['w', String(preview)], ['h', String(preview)], ['format', 'original']]);
  jobs.original.run(async (signal) => loadImage(await address(shown), signal), (image) => panes.original.show(image), (err) => panes.original.refuse(err, advice(err)));
  jobs.facts.run(async (signal) => loadFacts(signs() ? await member.sign(factsPath(page.namespace, state.src)) : describedAt(page.namespace, state.src), signal), (facts) => {
    original = facts;
    panes.original.caption(words.bytes(facts.bytes), words.format(facts.format), words.pixels(facts.width, facts.height),
      facts.frames > 1 && `${facts.frames} frames`);
    show();
    loadReference();
  }, () => {}); // the pane shows the error
}

function loadVariant() {
  if (!state.src) {
    variant = undefined;
    blame();
    panes.variant.note('No variant yet', 'Choose an original first.');
    panes.variant.caption();
    showAnswer();
    return;
  }
  const refusal = member?.refusal(state.src);
  if (refusal) {
    jobs.variant.stop();
    variant = undefined;
    blame();
    for (const pane of [panes.variant, panes.compare]) pane.refuse({}, refusal, here(location.pathname));
    panes.variant.caption();
    showAnswer();
    return;
  }
  panes.variant.busy(true);
  jobs.variant.run(async (signal) => loadImage(await address(path()), signal), (image) => {
    variant = image;
    blame();
    panes.variant.show(image);
    panes.variant.caption(words.bytes(image.bytes), words.format(image.type), image.width && words.pixels(image.width, image.height));
    showAnswer(image);
    loadCompare();
  }, (err) => {
    variant = undefined;
    // That the URL of an original belongs to a private source is known only now.
    if (err.code === 'SIGNATURE_REQUIRED' && member?.demand(state.src)) {
      shownSource = undefined;
      update();
      return;
    }
    blame(err);
    for (const pane of [panes.variant, panes.compare]) pane.refuse(err, advice(err));
    panes.variant.caption();
    showAnswer();
  });
}

// loadCompare shows the variant over the original in the same shape.
function loadCompare() {
  if (view() !== 'compare' || !variant) return;
  if (member?.presetsOnly) {
    panes.compare.note('There is nothing to compare with', 'The workspace serves presets only, and shows no originals.');
    return;
  }
  if (!variant.width) {
    panes.compare.say(`${variant.type} can’t be shown by this browser`);
    return;
  }
  const shape = pairs().filter(([name]) => shaping.includes(name));
  const reference = variantPath(page.namespace, state.src, [...shape, ['format', 'original'], ['q', '95']]);
  panes.compare.busy(true);
  const after = variant;
  jobs.compare.run(async (signal) => loadImage(await address(reference), signal), (before) => panes.compare.show(after, before), (err) => panes.compare.refuse(err, advice(err)));
}

// showIgnored names what stands in the page's URL and is no option.
function showIgnored() {
  $('#ignored').hidden = state.ignored.length === 0;
  $('#fact-ignored').textContent = state.ignored.map((name) => {
    const near = state.suggest(name);
    return near ? `${name}: did you mean ${near}?` : name;
  }).join(' · ');
}

function showAnswer(image) {
  const set = (id, text) => { $(id).textContent = text || '–'; };
  set('#fact-bytes', image && words.bytes(image.bytes));
  set('#fact-format', image && words.format(image.type));
  set('#fact-pixels', image?.width && words.pixels(image.width, image.height));
  set('#fact-time', image && words.milliseconds(image.time));
  set('#fact-server', image && words.timing(image.timing));
  set('#fact-cache', image?.cache);
  showIgnored();
  $('#fact-cache').classList.toggle('hit', /; hit/.test(image?.cache ?? ''));
  loadReference();
  showSnippets();
}

// loadReference finds a fair comparison for the variant's bytes: the original if both have
// the same number of pixels, else the same variant in the original's format at default
// quality.
function loadReference() {
  jobs.reference.stop();
  reference = undefined;
  showSaved();
  if (!original || !variant?.width || member?.presetsOnly) return;
  const size = words.pixels(variant.width, variant.height);
  if (variant.width === original.width && variant.height === original.height) {
    reference = { bytes: original.bytes, name: `than the original, ${words.bytes(original.bytes)}`, title: 'Compared with the original, which has the same number of pixels.' };
    showSaved();
    return;
  }
  const written = encoding.filter((name) => name !== 'format' && state.options.has(name));
  if (!written.length && words.format(variant.type) === words.format(original.format)) return; // the variant would be compared with itself
  const alike = new Map([...state.options].filter(([name]) => !encoding.includes(name))).set('format', 'original');
  jobs.reference.run(async (signal) => loadSize(await address(path(alike)), signal), ({ bytes, type }) => {
    const format = words.format(type);
    reference = { bytes, name: `than as ${format}, ${words.bytes(bytes)}`, title: `Compared with the same ${size} pixels as ${format} at default quality.` };
    showSaved();
  }, () => {}); // without a reference, nothing is shown
}

function showSaved() {
  const measure = $('#variant .measure');
  const shown = reference && variant && reference.bytes !== variant.bytes;
  measure.title = shown ? reference.title : '';
  $('#variant .saved').textContent = shown ? words.saved(reference.bytes, variant.bytes) : '';
  $('#variant .with').textContent = shown ? reference.name : '';
  $('#variant .saved').classList.toggle('more', Boolean(shown && variant.bytes > reference.bytes));
}

// blame shows an error beside the control that caused it.
function blame(err) {
  const [, named, rest] = (err instanceof Refusal && /^([a-z][a-z-]*): (.*)$/s.exec(err.message)) || [];
  const option = state.known(named);
  controls.blame(option, rest);
  const aboutSource = named === 'src' || (err && !option && sourceCodes.has(err.code));
  $('#src').setAttribute('aria-invalid', String(Boolean(aboutSource)));
  $('#src-fault').hidden = !aboutSource;
  $('#src-fault').textContent = aboutSource ? rest ?? err.message : '';
}

function update() {
  show();
  panes.variant.busy(true);
  jobs.variant.stop();
  jobs.reference.stop();
  jobs.snippets.stop();
  clearTimeout(timer);
  timer = setTimeout(() => {
    loadOriginal();
    loadVariant();
    signSnippets();
  }, pause);
}

for (const button of document.querySelectorAll('.copy')) {
  const label = button.textContent;
  button.addEventListener('click', async () => {
    const done = await copy($(`#snippet-${button.dataset.copy}`).textContent);
    button.focus({ preventScroll: true });
    button.textContent = done ? 'Copied' : 'Not allowed';
    hint(done ? 'Copied.' : 'The browser doesn’t let this page copy.');
    setTimeout(() => { button.textContent = label; }, 1600);
  });
}

$('.pick').addEventListener('change', ({ target }) => {
  if (target.name === 'picture') state.setSource(target.value);
});
for (const input of document.querySelectorAll('input[name=view]')) {
  input.addEventListener('change', () => {
    $('#panes').dataset.view = view();
    hint('');
    loadCompare();
  });
}
for (const input of document.querySelectorAll('input[name=tool]')) {
  input.addEventListener('change', () => {
    overlay.tool = input.value;
    $('#panes').dataset.tool = input.value;
    hint('');
    controls.reveal(input.value === 'crop' ? 'rect' : 'fp-x');
    show();
  });
}
for (const input of document.querySelectorAll('input[name=srcset], #framework')) {
  input.addEventListener('change', () => {
    show();
    signSnippets();
  });
}

let typing;
$('#src').addEventListener('input', ({ target }) => {
  clearTimeout(typing);
  typing = setTimeout(() => state.setSource(target.value.trim()), 400);
});
$('#reset-all').addEventListener('click', () => {
  hint('');
  state.clear();
  $('#src').focus({ preventScroll: true });
});
$('#again').addEventListener('click', () => {
  loadVariant();
  signSnippets();
});
$('#split').addEventListener('input', ({ target }) => target.parentElement.style.setProperty('--split', `${target.value}%`));
state.addEventListener('change', update);

// follow shows the picture anew when somebody has changed, or mended, its file.
async function follow() {
  const asked = path();
  if (!document.hidden && state.src && $('#variant').getAttribute('aria-busy') !== 'true') {
    const etag = await loadETag(asked).catch(() => undefined);
    if (etag !== undefined && asked === path() && etag !== (variant?.etag ?? '')) {
      shownSource = undefined;
      update();
    }
  }
  setTimeout(follow, look);
}

hint('');
for (const name of state.options.keys()) controls.reveal(name);
update();
if (page.live) follow();
