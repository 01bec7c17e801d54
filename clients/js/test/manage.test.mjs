import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { after, before, test } from "node:test";
import { manage, pages, TintypeError, uploadLarge } from "../dist/manage.js";

// A server that notes requests and answers what the test says.
const requests = [];
let answers = [];
const server = createServer(async (request, response) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  requests.push({ line: `${request.method} ${request.url}`, headers: request.headers, body: Buffer.concat(chunks).toString() });
  const [status, body, headers = { "Content-Type": "application/json" }] = answers.shift();
  if (status === 0) return request.socket.destroy();
  response.writeHead(status, headers);
  response.end(typeof body === "string" ? body : JSON.stringify(body));
});
let api;
before(async () => {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  api = manage({ url: `http://127.0.0.1:${server.address().port}/acme`, key: "tt_live_x" });
});
after(() => server.close());

async function ask(route, input, ...given) {
  requests.length = 0;
  answers = given;
  return api(route, input);
}

test("a request and its answer", async () => {
  const answer = await ask("PATCH /v1/workspaces/{ns}", { path: { ns: "acme" }, body: { https_only: true }, headers: { "If-Match": '"3"' } }, [200, { revision: 4 }]);
  assert.deepEqual(answer, { revision: 4 });
  const [{ line, headers, body }] = requests;
  assert.equal(line, "PATCH /v1/workspaces/acme");
  assert.deepEqual([headers.authorization, headers["content-type"], headers["if-match"], headers["idempotency-key"]], ["Bearer tt_live_x", "application/json", '"3"', undefined]);
  assert.deepEqual(JSON.parse(body), { https_only: true });
});

test("paths and queries", async () => {
  await ask("DELETE /v1/workspaces/{ns}/images/{source}/{path}", { path: { ns: "acme", source: "photos", path: "a b/c?.jpg" } }, [204, ""]);
  assert.equal(requests[0].line, "DELETE /v1/workspaces/acme/images/photos/a%20b/c%3F.jpg");
  assert.equal(requests[0].body, "");
  await ask("GET /v1/workspaces/{ns}/images", { path: { ns: "acme" }, query: { source: "photos", prefix: "a&b", cursor: undefined } }, [200, {}]);
  assert.equal(requests[0].line, "GET /v1/workspaces/acme/images?source=photos&prefix=a%26b");
});

test("bodies that are no JSON", async () => {
  const form = new FormData();
  form.set("source", "photos");
  await ask("POST /v1/workspaces/{ns}/images", { path: { ns: "acme" }, body: form }, [201, {}]);
  assert.match(requests[0].headers["content-type"], /^multipart\/form-data; boundary=/);
  await ask("POST /v1/workspaces/{ns}/images", { path: { ns: "acme" }, query: { source: "photos", path: "a.jpg" }, body: new Uint8Array([65, 66]) }, [201, {}]);
  assert.equal(requests[0].body, "AB");
});

test("answers that are no JSON", async () => {
  assert.equal(await ask("DELETE /v1/workspaces/{ns}", { path: { ns: "acme" } }, [204, ""]), undefined);
  const picture = await ask("POST /v1/workspaces/{ns}/marks/preview", { path: { ns: "acme" }, body: {} }, [200, "bytes", { "Content-Type": "image/webp" }]);
  assert.equal(await picture.text(), "bytes");
});

test("errors", async () => {
  const error = { error: { code: "NOT_FOUND", message: "there is no workspace acme", status: 404, request_id: "r1" } };
  await assert.rejects(ask("GET /v1/workspaces/{ns}", { path: { ns: "acme" } }, [404, error]), (e) => {
    assert.ok(e instanceof TintypeError);
    assert.deepEqual([e.status, e.code, e.requestId, e.message], [404, "NOT_FOUND", "r1", "there is no workspace acme (404 NOT_FOUND)"]);
    return true;
  });
  assert.equal(requests.length, 1);
  await assert.rejects(ask("GET /v1/plans", undefined, [500, "<html>", { "Content-Type": "text/html" }]), { code: "UNKNOWN", status: 500 });
});

test("requests that are sent again", async () => {
  const busy = [503, { error: { code: "QUEUE_FULL", message: "busy", request_id: "r" } }, { "Content-Type": "application/json", "Retry-After": "0" }];
  const lost = [0, ""];
  assert.deepEqual(await ask("POST /v1/workspaces/{ns}/purge", { path: { ns: "acme" }, body: { all: true } }, busy, lost, [202, { id: "p" }]), { id: "p" });
  assert.equal(requests.length, 3);
  // It is done once: each has the same key.
  assert.equal(new Set(requests.map(({ headers }) => headers["idempotency-key"])).size, 1);
  assert.match(requests[0].headers["idempotency-key"], /^[0-9a-f-]{36}$/);
  await assert.rejects(ask("GET /v1/plans", undefined, busy, busy, busy, [200, {}]), { code: "QUEUE_FULL" });
  assert.equal(requests.length, 3);
  // Nobody waits an hour.
  await assert.rejects(ask("GET /v1/plans", undefined, [429, {}, { "Retry-After": "3600" }], [200, {}]), { status: 429 });
});

test("changes that are sent again", async () => {
  const lost = [0, ""];
  const gone = [404, { error: { code: "NOT_FOUND", message: "there is no plan free", request_id: "r" } }];
  const down = [502, "<html>", { "Content-Type": "text/html" }];
  assert.equal(await ask("DELETE /v1/plans/{name}", { path: { name: "free" } }, lost, [204, ""]), undefined);
  // The first try did it, and its answer got lost.
  assert.equal(await ask("DELETE /v1/plans/{name}", { path: { name: "free" } }, lost, gone), undefined);
  await assert.rejects(ask("DELETE /v1/plans/{name}", { path: { name: "free" } }, gone), { code: "NOT_FOUND" });
  assert.deepEqual(await ask("PATCH /v1/workspaces/{ns}", { path: { ns: "acme" }, body: { https_only: true } }, lost, down, [200, { revision: 4 }]), { revision: 4 });
  // What is based on a revision would conflict with itself.
  await assert.rejects(ask("PATCH /v1/workspaces/{ns}", { path: { ns: "acme" }, body: { https_only: true, revision: 3 } }, lost, [200, {}]), TypeError);
  await assert.rejects(ask("DELETE /v1/workspaces/{ns}", { path: { ns: "acme" }, query: { revision: 3 } }, down, [204, ""]), { status: 502 });
  assert.equal(requests.length, 1);
});

test("pages", async () => {
  requests.length = 0;
  answers = [[200, { images: ["a", "b"], next: "b" }], [200, { images: ["c"], next: "" }]];
  const all = [];
  for await (const { images } of pages(api, "GET /v1/workspaces/{ns}/images", { path: { ns: "acme" }, query: { source: "photos" } })) all.push(...images);
  assert.deepEqual(all, ["a", "b", "c"]);
  assert.deepEqual(requests.map(({ line }) => line.split("?")[1]), ["source=photos", "source=photos&cursor=b"]);

  // Every operation with a next: its description names the parameter that takes it.
  const { paths, components } = JSON.parse(readFileSync(new URL("../openapi.json", import.meta.url)));
  let count = 0;
  for (const [path, { get }] of Object.entries(paths)) {
    const schema = components.schemas[get?.responses[200]?.content?.["application/json"]?.schema.$ref?.split("/").at(-1)];
    const [, from] = /^The (\w+) of the next page/.exec(schema?.properties?.next?.description ?? "") ?? [];
    if (!from) continue;
    requests.length = 0;
    answers = [[200, { next: "n" }], [200, {}]];
    for await (const page of pages(api, `GET ${path}`, { path: { ns: "acme" } })) assert.ok(page);
    assert.deepEqual(requests.map(({ line }) => line.split("?")[1]), [undefined, `${from}=n`], path);
    count++;
  }
  assert.equal(count, 6);
});

// A bucket that takes parts, but fails as the test says.
async function uploadTo(bucket, more = {}, complete = [201, { sha256: "00" }]) {
  requests.length = 0;
  const parts = [1, 2, 3].map((number) => ({ number, bytes: number < 3 ? 4 : 2, url: `https://bucket.example.com/cat.jpg?partNumber=${number}&X-Amz-Signature=hidden`, headers: { "Content-Length": "4", "X-Amz-Test": "1" } }));
  answers = [[201, { upload_id: "u", method: "PUT", part_bytes: 4, parts }], complete, [204, ""]];
  return uploadLarge(api, "acme", { source: "photos", path: "cat.jpg", file: new Blob(["0123456789"], { type: "image/jpeg" }), fetch: bucket, ...more });
}
const routes = () => requests.map(({ line }) => line.split("/").at(-1));

test("a large upload", async () => {
  const got = {};
  const sent = [];
  const bucket = async (url, { method, headers, body }) => {
    const number = new URL(url).searchParams.get("partNumber");
    const again = number in got;
    got[number] = [method, JSON.stringify(headers), await body.text()];
    return new Response("", { status: number === "2" && !again ? 500 : 200 });
  };
  assert.deepEqual(await uploadTo(bucket, { overwrite: true, progress: (n) => sent.push(n) }), { sha256: "00" });
  assert.deepEqual(got, { 1: ["PUT", '{"X-Amz-Test":"1"}', "0123"], 2: ["PUT", '{"X-Amz-Test":"1"}', "4567"], 3: ["PUT", '{"X-Amz-Test":"1"}', "89"] });
  assert.deepEqual(sent, [4, 6, 10]);
  assert.deepEqual(routes(), ["upload-parts", "complete"]);
  assert.deepEqual(JSON.parse(requests[0].body), { source: "photos", path: "cat.jpg", content_type: "image/jpeg", bytes: 10 });
  assert.deepEqual(JSON.parse(requests[1].body), { source: "photos", path: "cat.jpg", upload_id: "u", overwrite: true });
});

test("a large upload that fails leaves nothing", async () => {
  const takes = async () => new Response("");
  await assert.rejects(uploadTo(takes, {}, [409, { error: { code: "CONFLICT", message: "there is one", request_id: "r" } }]), { code: "CONFLICT" });
  assert.deepEqual(routes(), ["upload-parts", "complete", "abort"]);
  const aborted = [204, ""];
  await assert.rejects(uploadTo(async () => { throw new TypeError("fetch failed"); }, {}, aborted), { message: /^part [123]: the bucket at bucket.example.com: fetch failed$/ });
  assert.deepEqual(routes(), ["upload-parts", "abort"]);
  const stopped = new AbortController();
  const stalls = (url, { signal }) => new Promise((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason));
    stopped.abort(new Error("the user left"));
  });
  await assert.rejects(uploadTo(stalls, { signal: stopped.signal }, aborted), /the user left/);
  assert.deepEqual(routes(), ["upload-parts", "abort"]);
  await assert.rejects(uploadLarge(api, "acme", { source: "photos", path: "cat.jpg", file: new Blob(["0"]) }), /set contentType/);
});

test("what is missing", () => {
  assert.throws(() => manage({ key: "k" }), /set url, or the variable TINTYPE_URL/);
  assert.throws(() => manage({ url: "http://localhost:8080" }), /set key, or the variable TINTYPE_API_KEY/);
});
