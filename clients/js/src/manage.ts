import type { paths } from "./api.js";
import { env } from "./env.js";

export type { components, operations, paths } from "./api.js";
export * from "./upload.js";

type Method = "get" | "put" | "post" | "delete" | "patch";
type RoutesOf<P extends keyof paths> = { [M in Method]: paths[P][M] extends { responses: unknown } ? `${Uppercase<M>} ${P & string}` : never }[Method];

/** An operation of the API as docs/api.md writes it, such as `GET /v1/workspaces/{ns}`. */
export type Route = { [P in keyof paths]: RoutesOf<P> }[keyof paths];

type Operation<R extends Route> = R extends `${infer M} ${infer P}` ? (P extends keyof paths ? paths[P][Lowercase<M> & keyof paths[P]] : never) : never;

type Part<O, K extends string> = O extends { parameters: { [key in K]?: infer T } } ? Exclude<T, undefined> : never;
type RequiredOf<T> = { [K in keyof T as {} extends Pick<T, K> ? never : K]: T[K] };
type Field<K extends string, T> = [T] extends [never] ? {} : keyof RequiredOf<T> extends never ? { [key in K]?: T } : { [key in K]: T };
type Body<O> = O extends { requestBody: { content: infer C } } ? { body: BodyOf<C> } : O extends { requestBody?: { content: infer C } } ? { body?: BodyOf<C> } : {};
type BodyOf<C> = (C extends { "application/json": infer T } ? Omit<T, "$schema"> : never) | (keyof C extends "application/json" ? never : RawBody<C>);
type RawBody<C> = "multipart/form-data" extends keyof C ? FormData | Blob | ArrayBuffer | Uint8Array<ArrayBuffer> | ReadableStream : never;

/** What an operation takes. */
export type Input<R extends Route> = Field<"path", Part<Operation<R>, "path">> & Field<"query", Part<Operation<R>, "query">> & Field<"headers", Part<Operation<R>, "header">> & Body<Operation<R>> & { signal?: AbortSignal };

type Success<O> = O extends { responses: infer T } ? T[keyof T & (200 | 201 | 202 | 204)] : never;
/** What an operation answers: what its JSON says, undefined for 204, and the `Response` itself for what is no JSON. */
export type Output<R extends Route> = Success<Operation<R>> extends { content: { "application/json": infer T } } ? T : Success<Operation<R>> extends { content?: never } ? undefined : Response;

/** An answer that is an error: docs/errors.md. */
export class TintypeError extends Error {
  override name = "TintypeError";
  constructor(
    message: string,
    readonly status: number,
    readonly code: string,
    readonly requestId: string,
  ) {
    super(`${message} (${status} ${code})`);
  }
}

/** What {@link manage} is told. */
export interface ManageConfig {
  /** The server, such as `https://img.example.com`. A path is ignored. Left out, it is the variable `TINTYPE_URL`. */
  url?: string;
  /** An API key, or the root key. Left out, it is the variable `TINTYPE_API_KEY`. Keep it on the server. */
  key?: string;
  /** How often a request is sent again that the server couldn't take (429, 502, 503, 504) or that got lost. Left out, it is 2. */
  retries?: number;
  /** The function that sends requests. Left out, it is the global one. */
  fetch?: typeof fetch;
}

/** An operation that answers page by page, with a `next`. */
export type PagedRoute = { [R in Route]: R extends `GET ${string}` ? (Output<R> extends { next?: string } ? ("next" extends keyof Output<R> ? R : never) : never) : never }[Route];

/** Calls an operation. Where its `Input` has no required field, it may be left out. */
export type Call = <R extends Route>(route: R, ...input: {} extends Input<R> ? [Input<R>?] : [Input<R>]) => Promise<Output<R>>;

interface AnyInput {
  path?: Record<string, unknown>;
  query?: Record<string, unknown>;
  headers?: Record<string, unknown>;
  body?: unknown;
  signal?: AbortSignal;
}

/**
 * A client of the management API. It answers a function that takes an operation by its name in docs/api.md:
 *
 *     const api = manage({ url: "https://img.example.com", key });
 *     await api("GET /v1/workspaces/{ns}", { path: { ns: "acme" } });
 *
 * An answer that is an error is thrown as {@link TintypeError}. A POST gets an Idempotency-Key, so that it is done once
 * however often it is sent.
 */
export function manage({ url = env("TINTYPE_URL"), key = env("TINTYPE_API_KEY"), retries = 2, fetch: send = fetch }: ManageConfig = {}): Call {
  if (!url) throw new TypeError("the server is missing: set url, or the variable TINTYPE_URL");
  if (!key) throw new TypeError("the API key is missing: set key, or the variable TINTYPE_API_KEY");
  const server = new URL(url).origin;

  return (async (route: string, { path = {}, query = {}, headers = {}, body, signal }: AnyInput = {}) => {
    const [method = "", pattern = ""] = route.split(" ");
    const target = new URL(server + pattern.replace(/\{(\w+)\}/g, (_, name) => String(path[name]).split("/").map(encodeURIComponent).join("/")));
    for (const [name, value] of Object.entries(query)) if (value != null) target.searchParams.set(name, String(value));
    const isRaw = body === undefined || body instanceof FormData || body instanceof Blob || body instanceof ArrayBuffer || ArrayBuffer.isView(body) || body instanceof ReadableStream;
    const init: RequestInit & { duplex?: "half" } = {
      method,
      headers: {
        Authorization: `Bearer ${key}`,
        ...(!isRaw && { "Content-Type": "application/json" }),
        ...(method === "POST" && { "Idempotency-Key": crypto.randomUUID() }),
        ...(headers as Record<string, string>),
      },
      body: (isRaw ? body : JSON.stringify(body)) as BodyInit,
      signal,
      ...(body instanceof ReadableStream && { duplex: "half" as const }),
    };
    // What is based on a revision would conflict with itself. A stream can be sent once only.
    const repeatable = query.revision == null && (body as { revision?: unknown } | undefined)?.revision == null;
    let unknown = false; // an earlier try may have been carried out
    for (let tried = 0; ; tried++) {
      const left = body instanceof ReadableStream ? 0 : retries - tried;
      let wait = 200 * 2 ** tried * (1 + Math.random() / 2);
      try {
        const answer = await send(target, init);
        if (answer.ok) return await read(answer);
        const error = await errorOf(answer);
        if (unknown && method === "DELETE" && error.code === "NOT_FOUND") return undefined; // the try before did it
        const after = 1000 * (Number(answer.headers.get("Retry-After")) || 0);
        const again = answer.status === 429 || (repeatable && [502, 503, 504].includes(answer.status));
        if (left <= 0 || !again || after > 30_000) throw error;
        wait = Math.max(wait, after);
      } catch (error) {
        // fetch throws a TypeError where the request got lost.
        if (error instanceof TintypeError || left <= 0 || !(error instanceof TypeError) || !repeatable) throw error;
        unknown = true;
      }
      await new Promise((resolve) => setTimeout(resolve, wait));
    }
  }) as Call;
}

/**
 * Goes through all pages of an operation, from where `query` begins:
 *
 *     for await (const { images } of pages(api, "GET /v1/workspaces/{ns}/images", { path: { ns: "acme" }, query: { source: "photos" } })) …
 */
export async function* pages<R extends PagedRoute>(api: Call, route: R, ...[input]: {} extends Input<R> ? [Input<R>?] : [Input<R>]): AsyncGenerator<Awaited<Output<R>>, void, undefined> {
  const from = /\/(audit|alerts)$/.test(route) ? "before" : route.endsWith("/images") ? "cursor" : "after";
  let { query, ...rest } = (input ?? {}) as AnyInput;
  for (;;) {
    const page = (await (api as (route: string, input: AnyInput) => Promise<unknown>)(route, { ...rest, query })) as Awaited<Output<R>> & { next?: string };
    yield page;
    if (!page.next || page.next === query?.[from]) return;
    query = { ...query, [from]: page.next };
  }
}

async function read(answer: Response): Promise<unknown> {
  if (answer.status === 204) return undefined;
  return answer.headers.get("Content-Type")?.includes("json") ? answer.json() : answer;
}

async function errorOf(answer: Response): Promise<TintypeError> {
  const { error } = (await answer.json().catch(() => ({}))) as { error?: { message: string; code: string; request_id: string } };
  return new TintypeError(error?.message ?? "this answer is not of Tintype's API", answer.status, error?.code ?? "UNKNOWN", error?.request_id ?? "");
}
