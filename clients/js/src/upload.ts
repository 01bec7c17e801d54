import type { Call, Output } from "./manage.js";

/** An image on its way to a bucket. */
export interface LargeUpload {
  /** Key of a source of kind s3 or r2 that takes uploads. */
  source: string;
  /** Object key of the image. */
  path: string;
  /** The image. A `File` of a page, and a `Blob` of Node's `fs.openAsBlob`, are read part by part. */
  file: Blob;
  /** Media type. Left out, it is that of `file`. */
  contentType?: string;
  /** Replace an image that is there; else the error is `CONFLICT`. */
  overwrite?: boolean;
  /** Names of presets whose variants are made in the background. */
  pregenerate?: string[];
  /** Is called with the bytes that are sent so far. */
  progress?: (sent: number) => void;
  /** Ends the upload. */
  signal?: AbortSignal;
  /** The function that sends parts. Left out, it is the global one. */
  fetch?: typeof fetch;
}

const atOnce = 4;
const tries = 4;

/**
 * Sends an image to the bucket in parts, past the server, and has the server check the whole. Parts that fail are sent again.
 * If it fails in the end, is ended, or the path is taken, the parts are removed. In a page, the bucket must allow the page:
 * docs/images.md has the CORS rule.
 */
export async function uploadLarge(api: Call, ns: string, upload: LargeUpload): Promise<Output<"POST /v1/workspaces/{ns}/images/complete">> {
  const { source, path, file, contentType = file.type, overwrite, pregenerate, progress, signal, fetch: send = fetch } = upload;
  if (!contentType) throw new TypeError("the media type of the image is missing: set contentType");
  const at = { path: { ns } };
  const { upload_id, method, part_bytes, parts } = await api("POST /v1/workspaces/{ns}/images/upload-parts", { ...at, body: { source, path, content_type: contentType, bytes: file.size }, signal });
  let sent = 0;
  const left = [...parts];
  const ended = new AbortController(); // where one part has failed, the others needn't go on
  const stop = () => ended.abort(signal?.reason);
  signal?.addEventListener("abort", stop);
  if (signal?.aborted) stop();

  const sendParts = async () => {
    for (let part = left.shift(); part; part = left.shift()) {
      const start = (part.number - 1) * part_bytes;
      const body = file.slice(start, start + part.bytes);
      // The length is of the body, and no page may set it.
      const headers = Object.fromEntries(Object.entries(part.headers).filter(([name]) => name.toLowerCase() !== "content-length"));
      await sendPart(send, part.url, { method, headers, body, signal: ended.signal }, part.number);
      progress?.((sent += part.bytes));
    }
  };
  try {
    await Promise.all(Array.from({ length: atOnce }, sendParts));
    return await api("POST /v1/workspaces/{ns}/images/complete", { ...at, body: { source, path, upload_id, overwrite, pregenerate }, signal });
  } catch (error) {
    stop();
    // Without this the bucket keeps the parts until the server sweeps them.
    await api("POST /v1/workspaces/{ns}/images/abort", { ...at, body: { source, upload_id } }).catch(() => undefined);
    throw error;
  } finally {
    signal?.removeEventListener("abort", stop);
  }
}

/** Sends one part until the bucket takes it. An error names its host only, since its URL is signed. */
async function sendPart(send: typeof fetch, url: string, init: RequestInit, number: number): Promise<void> {
  for (let tried = 1; ; tried++) {
    let why: string;
    try {
      const answer = await send(url, init);
      await answer.arrayBuffer();
      if (answer.ok) return;
      why = `answered ${answer.status}`;
    } catch (error) {
      init.signal?.throwIfAborted();
      why = error instanceof Error ? error.message : String(error);
    }
    if (tried >= tries) throw new Error(`part ${number}: the bucket at ${new URL(url).host}: ${why}`);
    await new Promise((resolve) => setTimeout(resolve, 500 * 2 ** (tried - 1)));
    init.signal?.throwIfAborted();
  }
}
