// Loads images so that their headers, bytes and time are known.

// The Accept header that browsers send for <img>. fetch() alone sends */*, and gets JPEG or
// PNG.
export const accept = 'image/avif,image/webp,*/*;q=0.8';

// A Refusal is an answer without an image: the error of the server.
export class Refusal extends Error {
  constructor({ code, message, status, request_id: requestID }) {
    super(message);
    Object.assign(this, { code, status, requestID });
  }
}

// fetchAnswer sends a request and times it to the last byte.
async function fetchAnswer(path, signal) {
  const start = performance.now();
  let response;
  let blob;
  try {
    // no-store: show the time and Cache-Status of the server, not of the browser's
    // cache.
    response = await fetch(path, { signal, cache: 'no-store', credentials: 'omit', headers: { Accept: accept } });
    blob = await response.blob();
  } catch (err) {
    if (signal.aborted) throw err;
    throw new Refusal({ code: 'NO_ANSWER', message: 'the server can’t be reached', status: 0 });
  }
  const time = performance.now() - start;
  if (response.ok) return { response, blob, time };
  const text = await blob.text();
  try {
    throw new Refusal(JSON.parse(text).error);
  } catch (err) {
    if (err instanceof Refusal) throw err;
    throw new Refusal({ code: `HTTP_${response.status}`, message: response.statusText || 'no image came back', status: response.status });
  }
}

// loadImage returns a decoded image: { url, width, height, bytes, type, time, timing, cache,
// etag }. The caller revokes url. If the browser can't show the image, width and height are 0.
export async function loadImage(path, signal) {
  const { response, blob, time } = await fetchAnswer(path, signal);
  const image = new Image();
  image.src = URL.createObjectURL(blob);
  const shown = await image.decode().then(() => true, () => false);
  if (signal.aborted) {
    URL.revokeObjectURL(image.src);
    signal.throwIfAborted();
  }
  return {
    url: image.src, bytes: blob.size, type: response.headers.get('Content-Type') ?? '', time,
    width: shown ? image.naturalWidth : 0, height: shown ? image.naturalHeight : 0,
    timing: response.headers.get('Server-Timing') ?? '', cache: response.headers.get('Cache-Status') ?? '',
    etag: response.headers.get('ETag') ?? '',
  };
}

// loadSize returns the size of an image in bytes, and its type: { bytes, type }.
export async function loadSize(path, signal) {
  const { response, blob } = await fetchAnswer(path, signal);
  return { bytes: blob.size, type: response.headers.get('Content-Type') ?? '' };
}

// loadETag returns the ETag of an image without its bytes, or '' where there is none.
export async function loadETag(path) {
  const response = await fetch(path, { method: 'HEAD', cache: 'no-store', credentials: 'omit', headers: { Accept: accept } });
  return (response.ok && response.headers.get('ETag')) || '';
}

// describedAt is the path of facts of an original. Those of one that needs a signature are
// at factsPath, which can be signed.
export const describedAt = (namespace, src) => `/playground/${namespace}/original?src=${encodeURIComponent(src)}`;
export const factsPath = (namespace, src) => `/${namespace}/info/metadata?src=${encodeURIComponent(src)}`;

// loadFacts returns facts of an original: { format, bytes, width, height, frames }.
export async function loadFacts(path, signal) {
  const { blob } = await fetchAnswer(path, signal);
  const facts = JSON.parse(await blob.text());
  return facts.metadata ?? facts;
}

// A Latest runs one task at a time. A new task aborts the running one.
export class Latest {
  #controller = new AbortController();

  // run calls task(signal), then done(result) or failed(error), unless a newer task has
  // started.
  async run(task, done, failed) {
    this.#controller.abort();
    const { signal } = this.#controller = new AbortController();
    try {
      const result = await task(signal);
      if (!signal.aborted) done(result);
    } catch (err) {
      if (!signal.aborted) failed(err);
    }
  }

  stop() {
    this.#controller.abort();
  }
}
