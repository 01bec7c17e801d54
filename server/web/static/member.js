// What the playground of the dashboard adds: the sources of the workspace and their images,
// its presets and marks by name, its rules, and signed URLs.

import { browse, cannotBrowse } from './browse.js';
import { Signer } from './signer.js';

const $ = (selector) => document.querySelector(selector);

// listed joins names as a sentence does.
const listed = (names) => (names.length > 1 ? `${names.slice(0, -1).join(', ')} and ${names.at(-1)}` : names[0]);

// A Member is the part of the page that knows the workspace. facts are those of the page's
// data. on is { option(name, value), source(src), again() }, which are called when the user
// chooses something.
export class Member {
  #facts; #on; #signer;
  #demanded = new Set(); // originals by URL that turned out to need a signature
  #src; // that was shown last

  constructor(facts, on) {
    this.#facts = facts;
    this.#on = on;
    this.#signer = new Signer(facts.page, $('#seconds').value);
    for (const [id, option] of [['#preset-name', 'preset'], ['#mark-name', 'mark']]) {
      $(id)?.addEventListener('change', ({ target }) => on.option(option, target.value || null));
    }
    $('#seconds').addEventListener('change', ({ target }) => {
      this.#signer.lastFor(target.value);
      on.again();
    });
    $('#source')?.addEventListener('change', ({ target }) => this.#open(target.value));
    $('.pick').addEventListener('click', (e) => {
      const link = e.target.closest('#browse a[data-browse]');
      if (!link || e.ctrlKey || e.metaKey || e.shiftKey || e.button) return;
      e.preventDefault();
      this.#browse(link.href, true);
    });
  }

  get base() { return this.#facts.base; }
  get presetsOnly() { return this.#facts.presetsOnly; }

  source(src) {
    const [key] = src.split('/', 1);
    return src.includes('/') && !src.includes('://') ? this.#facts.sources.find((s) => s.key === key) : undefined;
  }

  // signs reports whether the variants of an original need a signature.
  signs(src) {
    return Boolean(src) && (this.#facts.requireSignature || this.#demanded.has(src) || Boolean(this.source(src)?.private));
  }

  // demand notes that an original needs a signature, and reports whether that is news.
  demand(src) {
    const news = !this.signs(src);
    this.#demanded.add(src);
    return news;
  }

  // refusal says why this member gets no signed URL, or is undefined.
  refusal(src) {
    return this.signs(src) ? this.#facts.cannotSign ?? undefined : undefined;
  }

  known(path) { return this.#signer.known(path); }
  sign(path) { return this.#signer.sign(path); }

  // show updates the rules and the names. path is that of the variant.
  show(src, options, path) {
    const signs = this.signs(src);
    const source = this.source(src);
    const refusal = this.refusal(src);
    const access = $('#rule-access');
    if (!src) access.textContent = '';
    else if (refusal) access.replaceChildren(bold('Private. '), `${refusal.means} ${refusal.form ? '' : `${refusal.do} `}`, ...link(refusal));
    else if (signs) access.replaceChildren(bold('Private. '), this.#facts.requireSignature ? 'Each URL of this workspace is signed.' : source ? `Each URL of ${source.key} is signed.` : 'This URL is signed.');
    else access.replaceChildren(bold('Public. '), 'Everybody who has the URL sees the image.');
    $('#signing').hidden = !signs || Boolean(refusal);
    const ends = signs && this.#signer.ends(path);
    $('#ends').textContent = ends ? `It ends ${when(ends)}.` : '';
    $('#uses-end').hidden = !ends;
    $('#uses-end span').textContent = ends ? when(ends) : '';

    const marks = source?.marks ?? [];
    $('#rule-marks').hidden = !src;
    $('#rule-marks').replaceChildren(bold('Marks. '), marks.length ? `Whatever the URL says, ${listed(marks)} ${marks.length > 1 ? 'are' : 'is'} on every image of ${source.key}.`
      : source ? `None is bound to ${source.key}.` : 'An original of a source carries the marks of that source, also by its URL.');
    $('#rule-presets').hidden = !this.presetsOnly;
    $('#rule-presets').replaceChildren(bold('Presets only. '), 'The workspace refuses other options, and shows no originals.');

    for (const [id, option] of [['#preset-name', 'preset'], ['#mark-name', 'mark']]) {
      const select = $(id);
      if (!select) continue;
      const value = options.get(option) ?? '';
      select.value = [...select.options].some((o) => o.value === value) ? value : '';
    }
    const preset = this.#facts.presets[options.get('preset')];
    if ($('#preset-options')) $('#preset-options').textContent = preset ? `${options.get('preset')} is ${preset}` : '';
    // While the user looks into another source, the original stays.
    if (src !== this.#src && source && $('#source') && $('#source').value !== source.key) this.#open(source.key, src);
    this.#src = src;
  }

  // open shows the images of a source. Without a src, the first of them is chosen.
  #open(key, src) {
    $('#source').value = key;
    const folder = src ? src.slice(key.length + 1, src.lastIndexOf('/') + 1) : '';
    this.#browse(`${this.#facts.page}?${new URLSearchParams({ source: key, prefix: folder })}`, !src);
  }

  // browse shows a folder. choose says to choose its first image.
  async #browse(url, choose) {
    const came = await browse(url);
    if (came === 'overtaken') return;
    if (came === 'failed') {
      $('#browsed').textContent = cannotBrowse;
      return;
    }
    const pictures = [...document.querySelectorAll('#browse input[name=picture]')];
    const folders = document.querySelectorAll('#browse .folders a').length;
    $('#browsed').textContent = `${pictures.length} images and ${folders} folders`;
    this.#on.browsed();
    if (!choose) return;
    if (pictures.length) {
      this.#on.source(pictures[0].value);
    } else if (!folders) { // of a web server, or empty: the path is typed
      const field = $('#src');
      field.focus();
      field.value = `${$('#source').value}/`;
      this.#on.source('');
    }
  }
}

const bold = (text) => Object.assign(document.createElement('b'), { textContent: text });

const link = ({ path, title }) => (path ? [Object.assign(document.createElement('a'), { href: path, textContent: title })] : []);

// when names a time: with its day where it isn't today.
function when(date) {
  const today = date.toDateString() === new Date().toDateString();
  return `${today ? 'at' : 'on'} ${date.toLocaleString('en-GB', today ? { hour: '2-digit', minute: '2-digit' } : { day: 'numeric', month: 'long', hour: '2-digit', minute: '2-digit' })}`;
}
