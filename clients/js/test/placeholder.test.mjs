import assert from "node:assert/strict";
import { test } from "node:test";
import { inflateSync } from "node:zlib";
import { decode } from "blurhash";
import { rgbaToThumbHash, thumbHashToRGBA } from "thumbhash";
import { blurhash, dataURL, thumbhash } from "../dist/placeholder.js";

const blurhashes = ["LEHV6nWB2yk8pyo0adR*.7kCMdnj", "LOIo@VR%5RbZ=#$zxZaz14xWxDn+", "00OZZy", "L6PZfSi_.AyE_3t7t7R**0o#DgR4"];

test("blurhash draws what the package blurhash draws", () => {
  // The package rounds punch up to an odd number.
  for (const hash of blurhashes) {
    for (const [w, h, punch] of [[32, 32, 1], [20, 13, 3]]) {
      const { width, height, data } = blurhash(hash, w, h, punch);
      assert.deepEqual([width, height], [w, h]);
      assert.deepEqual([...data], [...decode(hash, w, h, punch)], hash);
    }
  }
  for (const bad of ["", "L", "LEHV6n", "LEHV6nWB2yk8pyo0adR*.7kCMdn ", "LEHV6nWB2yk8pyo0adR*.7kCMdnjj"]) assert.throws(() => blurhash(bad), /is no BlurHash/, bad);
});

// A picture of some colours, opaque or not.
function drawn(w, h, alpha) {
  const rgba = new Uint8Array(w * h * 4);
  for (let y = 0; y < h; y++) for (let x = 0; x < w; x++) rgba.set([(x * 255) / w, (y * 255) / h, (x * y) % 256, alpha ? (x * 255) / w : 255], (y * w + x) * 4);
  return rgbaToThumbHash(w, h, rgba);
}

test("thumbhash draws what the package thumbhash draws", () => {
  const hashes = [Buffer.from("m2gKHYQFV3eviniThzeIhFilcNIL", "base64"), ...[[90, 60], [60, 90], [100, 20], [20, 100], [50, 50]].flatMap(([w, h]) => [drawn(w, h, false), drawn(w, h, true)])];
  for (const hash of hashes) {
    const want = thumbHashToRGBA(hash);
    for (const spelt of [hash, Buffer.from(hash).toString("base64"), Buffer.from(hash).toString("base64url")]) {
      const { width, height, data } = thumbhash(spelt);
      assert.deepEqual([width, height], [want.w, want.h]);
      assert.deepEqual([...data], [...want.rgba]);
    }
  }
  assert.throws(() => thumbhash("m2gK"), /no ThumbHash/);
});

test("dataURL is a PNG with the same pixels", () => {
  // One of more bytes than a block of the PNG holds.
  for (const pixels of [thumbhash("m2gKHYQFV3eviniThzeIhFilcNIL"), blurhash(blurhashes[0], 200, 100)]) {
    const png = Buffer.from(dataURL(pixels).replace("data:image/png;base64,", ""), "base64");
    assert.equal(png.subarray(0, 8).toString("latin1"), "\x89PNG\r\n\x1a\n");
    assert.deepEqual([png.readUInt32BE(16), png.readUInt32BE(20)], [pixels.width, pixels.height]);
    const raw = inflateSync(png.subarray(41, 41 + png.readUInt32BE(33))); // fails where the checksum is wrong
    const row = pixels.width * 4 + 1;
    for (let y = 0; y < pixels.height; y++) {
      assert.deepEqual(raw.subarray(y * row, (y + 1) * row), Buffer.from([0, ...pixels.data.subarray(y * (row - 1), (y + 1) * (row - 1))]));
    }
  }
});
