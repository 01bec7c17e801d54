// Chooses the image of a mark from a bucket or a folder, and uploads one there. What is shown
// is the part of the playground that browses.

import { browse, cannotBrowse } from './browse.js';

const $ = (selector) => document.querySelector(selector);
const chooser = $('#chooser');
const source = $('#chooser-source');
const use = $('#chooser-use');
const image = $('#editor').elements.image;
let prefix = '';

const say = (text) => { $('#chooser-said').textContent = text; };

function take(src) {
  image.value = src;
  image.dispatchEvent(new Event('input', { bubbles: true }));
  chooser.close();
}

// show shows the folder at a URL of the playground.
async function show(url) {
  prefix = new URL(url, location.href).searchParams.get('prefix') ?? '';
  use.disabled = true;
  say('');
  $('#chooser-upload').hidden = !('uploads' in source.selectedOptions[0].dataset);
  if (await browse(url) === 'failed') say(cannotBrowse);
}

const folder = (key, path) => show(`${chooser.dataset.browse}?${new URLSearchParams({ source: key, prefix: path })}`);

// open begins in the folder of the image that is there.
function open() {
  const [, key, path] = /^([^/]+)\/(.*)$/.exec(image.value.trim()) ?? [];
  const known = [...source.options].some((o) => o.value === key);
  if (known) source.value = key;
  folder(source.value, known ? path.slice(0, path.lastIndexOf('/') + 1) : '');
  chooser.showModal();
}

async function upload(file) {
  say(`Sending ${file.name} …`);
  const body = new FormData();
  body.set('source', source.value);
  body.set('prefix', prefix);
  body.set('file', file, file.name);
  let answer = {};
  let status = 0;
  try {
    const response = await fetch(chooser.dataset.upload, { method: 'POST', headers: { Accept: 'application/json' }, body, redirect: 'error' });
    status = response.status;
    answer = await response.json();
  } catch { /* what is wrong is said below */ }
  if (status === 201) take(`${source.value}/${answer.path}`);
  else say(answer.message ?? 'The image could not be sent. Try again.');
}

$('#choose').hidden = false;
$('#choose button').addEventListener('click', open);
$('#chooser-close').addEventListener('click', () => chooser.close());
source.addEventListener('change', () => folder(source.value, ''));
chooser.addEventListener('change', ({ target }) => { if (target.name === 'picture') use.disabled = false; });
chooser.addEventListener('click', (event) => {
  const link = event.target.closest('a[data-browse]');
  if (!link) return;
  event.preventDefault();
  show(link.href);
});
chooser.addEventListener('dblclick', ({ target }) => {
  const picture = target.closest('.picture')?.querySelector('input');
  if (picture) take(picture.value);
});
use.addEventListener('click', () => {
  const chosen = chooser.querySelector('input[name=picture]:checked');
  if (chosen) take(chosen.value);
});
$('#chooser-file').addEventListener('change', ({ target }) => {
  const [file] = target.files;
  target.value = '';
  if (file) upload(file);
});
