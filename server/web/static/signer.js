// Has the server sign URLs, several in one request.

import { Refusal } from './load.js';

// A Signer signs paths of a workspace by the page at url. It keeps what it got until three
// quarters of its time are over.
export class Signer {
  #url;
  #seconds;
  #signed = new Map(); // path → { path, until }
  #waiting = new Map(); // path → { promise, resolve, reject }

  constructor(url, seconds) {
    this.#url = url;
    this.#seconds = seconds;
  }

  // ends is when the URL of a path ends, as a Date, or undefined.
  ends(path) {
    return this.known(path) && this.#signed.get(path).ends;
  }

  // lastFor sets how long URLs are good for, and forgets those that were signed before. An
  // answer that is under way is forgotten too, since it keeps what it got in the former map.
  lastFor(seconds) {
    this.#seconds = seconds;
    this.#signed = new Map();
  }

  // known is the signed path, or undefined where the server must be asked.
  known(path) {
    const kept = this.#signed.get(path);
    return kept && Date.now() < kept.until ? kept.path : undefined;
  }

  // sign returns the signed path. Calls of one moment share a request.
  sign(path) {
    const known = this.known(path);
    if (known) return Promise.resolve(known);
    let one = this.#waiting.get(path);
    if (!one) {
      if (!this.#waiting.size) setTimeout(() => this.#ask());
      one = Promise.withResolvers?.() ?? resolvers();
      one.promise.catch(() => {}); // somebody who waits for it says so
      this.#waiting.set(path, one);
    }
    return one.promise;
  }

  async #ask() {
    const asked = this.#waiting;
    const kept = this.#signed;
    this.#waiting = new Map();
    const asking = Date.now();
    try {
      const { signed, expires } = await this.#post([...asked.keys()]);
      const ends = new Date(expires);
      const until = asking + (ends - asking) * 0.75;
      [...asked].forEach(([path, one], i) => {
        kept.set(path, { path: signed[i], until, ends });
        one.resolve(signed[i]);
      });
    } catch (err) {
      for (const one of asked.values()) one.reject(err);
    }
  }

  async #post(paths) {
    const body = new URLSearchParams([['seconds', this.#seconds], ...paths.map((path) => ['url', path])]);
    let response;
    try {
      response = await fetch(this.#url, { method: 'POST', body, redirect: 'manual', headers: { Accept: 'application/json' } });
    } catch {
      throw new Refusal({ code: 'NO_ANSWER', message: 'the server can’t be reached', status: 0 });
    }
    if (response.type === 'opaqueredirect') throw new Refusal({ code: 'SIGNED_OUT', message: 'the page asked for a signature, and the session has ended', status: 0 });
    const answer = await response.json().catch(() => undefined);
    if (response.ok && answer) return answer;
    throw new Refusal(answer?.error ?? { code: `HTTP_${response.status}`, message: 'the URL was not signed', status: response.status });
  }
}

function resolvers() {
  const all = {};
  all.promise = new Promise((resolve, reject) => Object.assign(all, { resolve, reject }));
  return all;
}
