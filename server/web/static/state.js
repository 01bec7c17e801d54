// The state of the page is in its URL: #src=samples/dusk.jpg&w=640.

import { query } from './url.js';

// Edits of one option within this many milliseconds make one entry in the history.
const oneStep = 1500;

// State holds the original and the options. It sends "change" when one of them changes,
// also through the browser's back and forward.
export class State extends EventTarget {
  #names = new Map(); // name or alias → name
  #order;
  #lastKey = '';
  #lastTime = 0;

  src = '';
  options = new Map(); // name → value, in the order of URLs
  ignored = []; // names in the page's URL that are no option

  constructor(facts, first) {
    super();
    this.#order = facts.map((f) => f.name);
    for (const f of facts) for (const name of [f.name, ...f.aliases]) this.#names.set(name, f.name);
    this.src = first.src;
    if (location.hash.length > 1) this.#read();
    else this.#take(Object.entries(first.options));
    history.replaceState(null, '', this.hash);
    addEventListener('popstate', () => {
      this.#read();
      this.#lastKey = '';
      history.replaceState(null, '', this.hash);
      this.#tell();
    });
  }

  get hash() {
    return `#${query([['src', this.src], ...this.options])}`;
  }

  // known returns the name of an option, given its name or an alias. Otherwise it
  // returns undefined.
  known(nameOrAlias) {
    return this.#names.get(nameOrAlias);
  }

  // suggest is the name or alias that is nearest to a misspelled one, or undefined.
  suggest(name) {
    let best;
    let least = Math.min(2, Math.floor((name.length - 1) / 2)) + 1;
    for (const known of this.#names.keys()) {
      const d = distance(name.toLowerCase(), known);
      if (d < least) [best, least] = [known, d];
    }
    return best;
  }

  // set changes options. null removes one. All changes of one call make one entry in
  // the history.
  set(changes) {
    const next = new Map(this.options);
    for (const [name, value] of Object.entries(changes)) {
      if (value === null) next.delete(name);
      else next.set(name, value);
    }
    this.options = new Map(this.#order.filter((name) => next.has(name)).map((name) => [name, next.get(name)]));
    this.#write(Object.keys(changes).join());
  }

  setSource(src) {
    this.src = src;
    this.#write('src');
  }

  clear() {
    this.options = new Map();
    this.#write('clear');
  }

  #read() {
    const given = new URLSearchParams(location.hash.slice(1));
    this.src = given.get('src') ?? this.src;
    this.#take(given);
  }

  #take(given) {
    const next = new Map();
    this.ignored = [];
    for (const [name, value] of given) {
      const known = this.#names.get(name);
      if (known) next.set(known, value);
      else if (name !== 'src' && name !== 'preset') this.ignored.push(name);
    }
    this.options = new Map(this.#order.filter((name) => next.has(name)).map((name) => [name, next.get(name)]));
  }

  #write(key) {
    if (this.hash === location.hash) return;
    const now = performance.now();
    const goesOn = key === this.#lastKey && now - this.#lastTime < oneStep;
    history[goesOn ? 'replaceState' : 'pushState'](null, '', this.hash);
    this.#lastKey = key;
    this.#lastTime = now;
    this.#tell();
  }

  #tell() {
    this.dispatchEvent(new Event('change'));
  }
}

// distance is how many letters are inserted, left out, replaced or swapped with their
// neighbour to get from a to b.
function distance(a, b) {
  const rows = [Array.from({ length: b.length + 1 }, (_, j) => j)];
  for (let i = 1; i <= a.length; i++) {
    rows[i] = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      rows[i][j] = Math.min(rows[i - 1][j - 1] + same, rows[i - 1][j] + 1, rows[i][j - 1] + 1);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) rows[i][j] = Math.min(rows[i][j], rows[i - 2][j - 2] + 1);
    }
  }
  return rows[a.length][b.length];
}
