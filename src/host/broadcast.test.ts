import assert from "node:assert/strict";
import { test } from "node:test";
import { BUILT_IN, builtInHost } from "./builtin.fixture.js";
import { parseHost } from "./host-file.js";
import { ipaNotes } from "./models.js";

const file = (more: string, base = "kvm-nested-7.2") =>
  parseHost(`base = "${base}"\nname = "mine"\ntitle = "Mine"\nsource = "me"\n${more}`, "mine.toml", builtInHost);
const priceOf = (more: string, base?: string) => {
  const { value, low, high, source } = file(more, base).prices.broadcast!;
  return { value, low, high, source };
};
const OWN = '[prices.broadcast]\nvalue = 2\nunit = "us"\nsource = "mine"';

test("a host that says nothing of PEs has its base's price of a broadcast, to the last digit and word", () => {
  for (const base of BUILT_IN) {
    assert.deepEqual(file("", base).prices.broadcast, builtInHost(base).prices.broadcast);
    assert.deepEqual(file("pes = 96\nbroadcasters = 1", base).prices.broadcast, builtInHost(base).prices.broadcast);
    assert.deepEqual(builtInHost(base).unknown, []);
  }
});

test("with more PEs broadcasting at once a broadcast's price grows in proportion, and its source says by which law", () => {
  const [before, { value, low, high, source }] = [priceOf(""), priceOf("broadcasters = 4")];
  assert.deepEqual([value, low, high], [4 * before.value, before.low, 4 * before.high]);
  assert.ok(source.startsWith(before.source));
  assert.match(source, /from 96 PEs, 1 broadcasting to 96 PEs, 4 broadcasting: in proportion to those/);
  assert.deepEqual(priceOf("broadcasters = 4", "bare-metal").value, 4 * before.value);
});

test("by how much it grows with the PEs that it reaches nobody knows: only its range says so, and a sentence", () => {
  const before = priceOf("");
  const [more, fewer] = [priceOf("pes = 192"), priceOf("pes = 24")];
  assert.deepEqual([more.value, more.low, more.high], [before.value, before.low, 2 * before.high]);
  assert.deepEqual([fewer.value, fewer.low, fewer.high], [before.value, before.low / 4, before.high]);
  assert.match(ipaNotes([file("pes = 192")], [48]).join(), /^mine: by how much .* 192 instead of 96 widen its range/);
  assert.deepEqual(ipaNotes([file("broadcasters = 4")], [48]), []);
});

test("where a number is unknown the price stays, and it is said; a price of the file's own is of its own numbers", () => {
  assert.deepEqual(priceOf('broadcasters = "unknown"'), priceOf(""));
  assert.match(ipaNotes([file('broadcasters = "unknown"')], [48]).join(), /how many PEs broadcast at once is unknown/);
  const own = file(`pes = 8\nbroadcasters = 2\n${OWN}`);
  assert.deepEqual([own.prices.broadcast!.value, own.prices.broadcast!.source, own.unknown], [2, "mine", []]);
  assert.deepEqual([own.pes, own.broadcasters], [8, 2]);
  assert.throws(() => file("pes = 0"), /mine\.toml:5: pes/);
});
