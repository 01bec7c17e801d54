import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { after, before, test } from "node:test";
import { manage, TintypeError } from "../dist/manage.js";

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
  await assert.rejects(ask("GET /v1/plans", undefined, [502, "<html>", { "Content-Type": "text/html" }]), { code: "UNKNOWN", status: 502 });
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
  // Whether a DELETE that got lost was done, nobody knows.
  await assert.rejects(ask("DELETE /v1/plans/{name}", { path: { name: "free" } }, lost, [204, ""]), TypeError);
  // Nobody waits an hour.
  await assert.rejects(ask("GET /v1/plans", undefined, [429, {}, { "Retry-After": "3600" }], [200, {}]), { status: 429 });
});

test("what is missing", () => {
  assert.throws(() => manage({ key: "k" }), /set url, or the variable TINTYPE_URL/);
  assert.throws(() => manage({ url: "http://localhost:8080" }), /set key, or the variable TINTYPE_API_KEY/);
});
