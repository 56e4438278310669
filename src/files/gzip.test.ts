import assert from "node:assert/strict";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";
import { GzipPieces } from "./gzip.js";

test("pieces come out of gunzip as they went in, as one member", () => {
  for (const pieces of [[], ["a"], ["hello ", "", "world".repeat(10_000), "!"]]) {
    const out: Uint8Array[] = [];
    const gzip = new GzipPieces((bytes) => out.push(bytes));
    for (const piece of pieces) gzip.write(Buffer.from(piece));
    gzip.end();
    const file = Buffer.concat(out);
    assert.equal(gunzipSync(file).toString(), pieces.join(""));
    assert.equal(file.indexOf(Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff]), 1), -1);
  }
});
