// Uploads by drag and drop: several at a time, each with its progress. A file whose path is
// taken waits for a decision.

const $ = (selector) => document.querySelector(selector);
const form = $('#upload');
const most = Number(form.dataset.most);
const atOnce = 3;

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
  const row = element('li', {}, element('span', { className: 'path', textContent: prefix + file.name }), bar, state);
  $('#queue').append(row);
  return { row, bar, state };
}

function add(files) {
  let prefix = $('#prefix').value.trim().replace(/^\/+/, '');
  if (prefix && !prefix.endsWith('/')) prefix += '/';
  for (const file of files) {
    const job = { file, prefix, ...rowOf(file, prefix) };
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

function send(job, overwrite) {
  running += 1;
  job.state.textContent = 'sending';
  const body = new FormData();
  body.set('source', form.elements.source.value);
  body.set('prefix', job.prefix);
  if (overwrite) body.set('overwrite', 'on');
  body.set('file', job.file, job.file.name);
  const request = new XMLHttpRequest(); // fetch tells no progress of what is sent
  request.open('POST', form.action);
  request.setRequestHeader('Accept', 'application/json');
  request.responseType = 'json';
  request.upload.addEventListener('progress', (e) => {
    if (e.lengthComputable) job.bar.value = e.loaded / e.total;
    if (e.loaded === e.total) job.state.textContent = 'checking';
  });
  request.addEventListener('loadend', () => {
    running -= 1;
    const answer = request.response;
    if (request.status === 201) {
      stored += 1;
      job.bar.value = 1;
      job.state.textContent = 'stored';
      job.state.classList.add('good');
    } else if (answer?.exists) {
      decide(job);
    } else {
      fail(job, answer?.message ?? (request.status ? `The upload failed with status ${request.status}. Open the page again.` : 'The server can’t be reached. Try again.'));
    }
    next();
  });
  request.send(body);
}

function fail(job, message) {
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

// refresh shows the folder as it is now.
async function refresh() {
  const answer = await fetch(location.href);
  if (!answer.ok || answer.redirected) return;
  const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
  const listing = page.querySelector('#listing');
  if (listing) $('#listing').replaceWith(document.adoptNode(listing));
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
