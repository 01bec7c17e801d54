// Sends a file to a bucket by itself, in parts, so that a broken connection costs one part.
// Which parts of which file are there is remembered in this browser for a day: the same file,
// chosen again after the page was loaded anew, goes on where it was.

const day = 24 * 60 * 60 * 1000;
const stalled = 60 * 1000; // after which a connection that carries nothing is broken off
const triesOfPart = 3; // that the bucket refuses

// Refused says that the bucket allows no page of this site to send to it (CORS).
export class Refused extends Error {}

// Cancelled says that the visitor gave the upload up, and that the bucket has forgotten it.
export class Cancelled extends Error {}

// Failed says that the server refuses to go on.
class Failed extends Error {
  constructor(answer) {
    super(answer.message);
    this.answer = answer;
  }
}

// open are the buckets that took something from this page.
const open = new Set();

const memory = {
  prefix: 'tintype-upload:',
  // Some browsers have no storage in some modes. Then nothing is remembered.
  attempt(f) { try { return f(); } catch { return undefined; } },
  key(job, form) { return this.prefix + JSON.stringify([form.action, job.source, job.prefix + job.file.name, job.file.size, job.file.lastModified]); },
  get(key) {
    const known = this.attempt(() => JSON.parse(localStorage.getItem(key)));
    return known && typeof known.id === 'string' && Array.isArray(known.sent) ? known : undefined;
  },
  set(key, known) { this.attempt(() => localStorage.setItem(key, JSON.stringify(known))); },
  drop(key) { this.attempt(() => localStorage.removeItem(key)); },
  forgetOld() {
    this.attempt(() => {
      for (const key of Object.keys(localStorage)) {
        if (key.startsWith(this.prefix) && !(this.get(key)?.at > Date.now() - day)) localStorage.removeItem(key);
      }
    });
  },
};
memory.forgetOld();

// sendParts resolves to what the server says of the whole: its status, and message or exists.
// It throws Refused where the bucket refuses this page, and Cancelled.
export async function sendParts(job, form, overwrite) {
  const key = memory.key(job, form);
  const ask = (what, more) => askServer(job, form, { do: what, source: job.source, ...more });
  const complete = async (known) => {
    job.show('checking');
    const end = await ask('complete', { ...names(job), id: known.id, ...(overwrite && { overwrite: 'on' }) });
    if (end.gone && end.repeated) end.message = 'The answer was lost on its way. Look in the folder whether the image is there.';
    // A path that is taken, and a server that is busy, leave what was sent for another try.
    if (!end.exists && end.status !== 503 && end.status !== 429) memory.drop(key);
    return end;
  };
  for (let round = 0; ; round += 1) {
    let known = memory.get(key);
    let answer = {};
    if (known?.whole) {
      const end = await complete(known);
      if (!end.gone) return end;
      known = undefined;
    } else if (known) {
      job.show('looking what is there');
      answer = await ask('resume', { id: known.id });
      if (answer.gone) {
        memory.drop(key);
        known = undefined;
      }
    }
    if (!known) {
      answer = await ask('begin', { ...names(job), bytes: job.file.size, ...(overwrite && { overwrite: 'on' }) });
      if (answer.upload) known = { id: answer.upload.upload_id, sent: [], at: Date.now() };
    }
    if (!answer.upload) return answer;
    memory.set(key, known);
    try {
      unlessCancelled(job);
      if (!await sendAll(job, known, answer.upload, ask, () => memory.set(key, known))) {
        memory.drop(key); // the upload is gone
        if (round < 2) continue;
        return { status: 404, message: 'The bucket has forgotten the upload. Try again.' };
      }
    } catch (error) {
      if (error instanceof Failed) return error.answer;
      if (error instanceof Refused || error instanceof Cancelled) {
        memory.drop(key);
        await ask('abort', { id: known.id });
      }
      throw error;
    }
    known.whole = true;
    memory.set(key, known);
    return complete(known);
  }
}

function unlessCancelled(job) { if (job.stop.signal.aborted) throw new Cancelled(); }

const names = (job) => ({ prefix: job.prefix, name: job.file.name });

// sendAll sends the parts that aren't there. It resolves to false where the upload is gone.
async function sendAll(job, known, upload, ask, remember) {
  let refused = 0;
  let broken = 0;
  for (let i = 0; i < upload.parts.length;) {
    const part = upload.parts[i];
    // A bucket may list a part whose connection broke, so what counts is its answer too.
    if (part.sent && known.sent.includes(part.number)) {
      i += 1;
      continue;
    }
    const from = i * upload.part_bytes;
    job.show('sending');
    job.bar.value = from / job.file.size;
    const status = await put(job, part, from);
    unlessCancelled(job);
    if (status === 200) {
      known.sent.push(part.number);
      remember();
      refused = 0;
      broken = 0;
      i += 1;
      continue;
    }
    if (status === 0) {
      await job.again(broken);
      unlessCancelled(job);
      broken += 1;
    } else {
      refused += 1; // such as a URL that has ended
      if (refused === triesOfPart) throw new Refused();
    }
    const answer = await ask('resume', { id: known.id });
    if (answer.gone) return false;
    if (answer.upload) upload.parts = answer.upload.parts;
    else if (answer.status < 500) throw new Failed(answer);
  }
  return true;
}

// put sends one part, and resolves to the status of the answer. It is 0 where the connection
// broke.
async function put(job, part, from) {
  const { origin } = new URL(part.url);
  for (let closed = 0; ; closed += 1) {
    const { status, began } = await request(job, part, from);
    if (job.stop.signal.aborted) return 0;
    if (began || status) {
      open.add(origin);
      return status;
    }
    // Nothing was taken, not even a byte. A browser doesn't tell a bucket that is away from one
    // that refuses this page. So ask it for anything, without wanting to read the answer.
    if (open.has(origin) || !await reachable(part.url)) return 0;
    if (closed === 1) throw new Refused();
  }
}

async function reachable(url) {
  try {
    await fetch(url, { mode: 'no-cors', credentials: 'omit', cache: 'no-store' });
    return true;
  } catch {
    return false;
  }
}

function request(job, part, from) {
  const r = new XMLHttpRequest();
  let began = false;
  let timer;
  const alive = () => {
    clearTimeout(timer);
    timer = setTimeout(() => r.abort(), stalled);
  };
  r.open('PUT', part.url);
  r.upload.addEventListener('progress', (e) => {
    began ||= e.loaded > 0;
    job.bar.value = (from + e.loaded) / job.file.size;
    alive();
  });
  const stop = () => r.abort();
  job.stop.signal.addEventListener('abort', stop, { once: true });
  return new Promise((done) => {
    r.addEventListener('loadend', () => {
      clearTimeout(timer);
      job.stop.signal.removeEventListener('abort', stop);
      done({ status: r.status, began });
    });
    alive();
    r.send(job.file.slice(from, from + part.bytes));
  });
}

// askServer sends a form to the server, again where the connection breaks.
async function askServer(job, form, fields) {
  for (let tries = 0; ; tries += 1) {
    try {
      const r = await fetch(`${form.action}/parts`, { method: 'POST', headers: { Accept: 'application/json' }, body: new URLSearchParams(fields) });
      if (r.redirected) return { status: 401, message: 'You are signed out. Open the page again.' };
      const json = r.headers.get('Content-Type')?.startsWith('application/json');
      return { ...(json && await r.json()), status: r.status, repeated: tries > 0 };
    } catch {
      if (job.stop.signal.aborted) return {}; // the bucket forgets the upload after a day
      await job.again(tries);
    }
  }
}
