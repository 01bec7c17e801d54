// Uploads by drag and drop: several at a time, each with its progress. A file whose path is
// taken waits for a decision, and one whose connection breaks is tried again. Large files go
// to the bucket by themselves, where it allows that.

import { Cancelled, Refused, sendParts } from './app-images-parts.js';

const $ = (selector) => document.querySelector(selector);
const form = $('#upload');
const most = Number(form.dataset.most);
const atOnce = 3;
const large = 8 * 1024 * 1024;
const triesAlone = 5; // after which the visitor has to say so
let direct = 'direct' in form.dataset;

const waiting = [];
let running = 0;
let stored = 0;

// The drop area takes the place of the fields that only the form without this script needs.
const input = $('#files');
const drop = document.createElement('div');
drop.className = 'drop';
const label = Object.assign(document.createElement('label'), { htmlFor: 'files', textContent: 'choose them' });
input.classList.add('unseen');
drop.append('Drop images here, or ', input, label, '.');
$('#choose').replaceWith(drop);
$('#overwriting').remove();
$('#send').remove();

const say = (text) => { $('#said').textContent = text; };

const element = (name, properties, ...children) => {
  const e = Object.assign(document.createElement(name), properties);
  e.append(...children);
  return e;
};

// A row shows one file and what becomes of it.
function rowOf(file, prefix) {
  const state = element('span', { className: 'state', textContent: 'waiting' });
  const bar = element('progress', { max: 1, value: 0 });
  bar.setAttribute('aria-label', file.name);
  const path = element('span', { className: 'path', textContent: prefix + file.name });
  const cancel = element('button', { type: 'button', className: 'cancel', textContent: 'Cancel' });
  cancel.setAttribute('aria-label', `Cancel the upload of ${prefix}${file.name}`);
  const row = element('li', {}, path, bar, state, cancel);
  $('#queue').append(row);
  return { row, path, bar, state, cancel };
}

function add(files) {
  let prefix = $('#prefix').value.trim().replace(/^\/+/, '');
  if (prefix && !prefix.endsWith('/')) prefix += '/';
  for (const file of files) {
    const job = { file, prefix, source: form.elements.source.value, ...rowOf(file, prefix) };
    job.show = (text) => show(job, text);
    job.again = (tries) => again(job, tries);
    job.stop = new AbortController();
    job.cancel.addEventListener('click', () => cancel(job));
    if (file.size > most) {
      fail(job, `It has ${file.size.toLocaleString('en')} bytes, and ${most.toLocaleString('en')} are allowed.`);
      continue;
    }
    waiting.push(job);
  }
  next();
}

function next() {
  while (running < atOnce && waiting.length) send(waiting.shift());
  if (running || waiting.length || !stored) return;
  say(`${stored} ${stored === 1 ? 'image is' : 'images are'} stored.`);
  stored = 0;
  refresh();
}

async function send(job, overwrite) {
  running += 1;
  job.row.classList.remove('failed');
  job.cancel.hidden = false;
  let answer;
  if (direct && job.file.size > large) {
    try {
      answer = await sendParts(job, form, overwrite);
    } catch (error) {
      if (!(error instanceof Refused) && !(error instanceof Cancelled)) throw error;
      if (error instanceof Refused) {
        direct = false;
        $('#refused').hidden = false;
        $('#rule').open = true;
      }
    }
  }
  if (!job.stop.signal.aborted) answer ??= await sendWhole(job, overwrite);
  running -= 1;
  job.cancel.hidden = true;
  if (job.stop.signal.aborted && answer?.status !== 201) {
    cancelled(job);
    next();
    return;
  }
  if (answer.status === 201) {
    stored += 1;
    job.bar.value = 1;
    show(job, 'stored');
    job.state.classList.add('good');
    job.path.replaceChildren(element('a', { href: `${form.getAttribute('action')}/image?${new URLSearchParams({ source: job.source, path: job.prefix + job.file.name })}`, textContent: job.path.textContent }));
  } else if (answer.exists) {
    decide(job);
  } else {
    fail(job, answer.message || `The upload failed with status ${answer.status}. Open the page again.`);
  }
  next();
}

// cancel gives up an upload that waits or is being sent.
function cancel(job) {
  job.stop.abort();
  const at = waiting.indexOf(job);
  if (at < 0) { // send does the rest
    job.cancel.hidden = true;
    show(job, 'cancelling');
    return;
  }
  waiting.splice(at, 1);
  cancelled(job);
}

function cancelled(job) {
  job.cancel.hidden = true;
  job.bar.remove();
  job.state.textContent = 'cancelled';
  say(`The upload of ${job.file.name} is cancelled.`);
}

// sendWhole sends a file through the server.
async function sendWhole(job, overwrite) {
  for (let tries = 0; ; tries += 1) {
    show(job, 'sending');
    job.cancel.hidden = false;
    const answer = await post(job, overwrite);
    if (answer.status || job.stop.signal.aborted) return answer;
    await job.again(tries);
  }
}

function post(job, overwrite) {
  const body = new FormData();
  body.set('source', job.source);
  body.set('prefix', job.prefix);
  if (overwrite) body.set('overwrite', 'on');
  body.set('file', job.file, job.file.name);
  const request = new XMLHttpRequest(); // fetch tells no progress of what is sent
  request.open('POST', form.action);
  request.setRequestHeader('Accept', 'application/json');
  request.responseType = 'json';
  request.upload.addEventListener('progress', (e) => {
    if (e.lengthComputable) job.bar.value = e.loaded / e.total;
    if (e.loaded === e.total) show(job, 'checking');
  });
  job.stop.signal.addEventListener('abort', () => request.abort());
  return new Promise((done) => {
    request.addEventListener('loadend', () => done({ ...request.response, status: request.status }));
    request.send(body);
  });
}

// show says what happens to a file. One that is being checked may be stored by now, so it is
// too late to cancel.
function show(job, text) {
  job.state.textContent = text;
  if (text === 'checking') job.cancel.hidden = true;
}

// again waits before another try: longer each time, until the browser is online again, or
// until the visitor says so.
function again(job, tries) {
  const alone = tries < triesAlone;
  show(job, alone ? 'connection lost, trying again' : 'connection lost');
  const resume = element('button', { type: 'button', className: 'resume', textContent: alone ? 'Try now' : 'Resume' });
  resume.setAttribute('aria-label', `${resume.textContent}: ${job.prefix}${job.file.name}`);
  job.row.append(resume);
  if (!alone) say(`The connection is lost. ${job.file.name} waits.`);
  return new Promise((done) => {
    const clear = [];
    const go = () => { for (const f of clear) f(); resume.remove(); done(); };
    resume.addEventListener('click', go);
    addEventListener('online', go);
    job.stop.signal.addEventListener('abort', go);
    clear.push(() => removeEventListener('online', go));
    if (alone) {
      const timer = setTimeout(go, 1000 * 2 ** tries);
      clear.push(() => clearTimeout(timer));
    }
  });
}

function fail(job, message) {
  job.cancel.hidden = true;
  job.bar.remove();
  job.state.textContent = 'not stored';
  job.row.append(element('span', { className: 'bad', textContent: message }));
  say(`${job.file.name}: ${message}`);
}

// decide asks whether to replace the image that is there.
function decide(job) {
  const buttons = element('span', { className: 'actions state' });
  const replace = element('button', { type: 'button', className: 'danger', textContent: 'Replace' });
  const keep = element('button', { type: 'button', textContent: 'Keep' });
  replace.setAttribute('aria-label', `Replace ${job.prefix}${job.file.name}, which can’t be brought back`);
  keep.setAttribute('aria-label', `Keep the ${job.prefix}${job.file.name} that is there`);
  buttons.append(replace, keep);
  const question = element('span', { className: 'bad', textContent: 'There is an image under this path already. What is replaced can’t be brought back.' });
  const put = () => { buttons.replaceWith(job.state); question.remove(); };
  job.state.replaceWith(buttons);
  job.row.append(question);
  say(`${job.file.name} is there already. Replace it or keep it.`);
  replace.addEventListener('click', () => { put(); send(job, true); });
  keep.addEventListener('click', () => {
    put();
    job.bar.value = 0;
    job.state.textContent = 'kept as it was';
  });
}

// refresh shows the folder as it is now. An image that it shows needs no second link.
async function refresh() {
  const answer = await fetch(location.href);
  if (!answer.ok || answer.redirected) return;
  const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
  const listing = page.querySelector('#listing');
  if (!listing) return;
  $('#listing').replaceWith(document.adoptNode(listing));
  const search = (link) => [...new URL(link.href).searchParams].sort().join('&');
  const shown = new Set([...document.querySelectorAll('#listing .tiles a')].map(search));
  for (const link of document.querySelectorAll('#queue .path a')) if (shown.has(search(link))) link.replaceWith(link.textContent);
}

input.addEventListener('change', () => {
  add([...input.files]);
  input.value = '';
});
form.addEventListener('submit', (event) => event.preventDefault());

let inside = 0;
const hasFiles = (event) => event.dataTransfer?.types.includes('Files');
addEventListener('dragenter', (event) => { if (hasFiles(event)) { inside += 1; drop.classList.add('over'); } });
addEventListener('dragleave', (event) => { if (hasFiles(event) && --inside <= 0) { inside = 0; drop.classList.remove('over'); } });
addEventListener('dragover', (event) => { if (hasFiles(event)) event.preventDefault(); });
addEventListener('drop', (event) => {
  if (!hasFiles(event)) return;
  event.preventDefault();
  inside = 0;
  drop.classList.remove('over');
  add([...event.dataTransfer.files]);
});
addEventListener('beforeunload', (event) => { if (running || waiting.length) event.preventDefault(); });
