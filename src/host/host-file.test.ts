import assert from "node:assert/strict";
import { test } from "node:test";
import { InputError } from "../input/index.js";
import { BUILT_IN, builtInHost, builtInText } from "./builtin.fixture.js";
import { parseHost } from "./host-file.js";
import { kvmOf } from "./kvm/settings.js";
import { modelOf } from "./models.js";

const refused = (edit: (text: string) => string, message: RegExp, name = "kvm-nested-7.2"): void => {
  const text = builtInText(name);
  const edited = edit(text);
  assert.notEqual(edited, text);
  assert.throws(
    () => parseHost(edited, "h.toml", builtInHost),
    (error) => error instanceof InputError && message.test(error.message),
  );
};

test("every built-in host names each elementary price with a source, and nothing else", () => {
  for (const name of BUILT_IN) {
    const host = builtInHost(name);
    assert.equal(host.name, name);
    assert.deepEqual(Object.keys(host.prices), Object.keys(modelOf(host).prices));
    for (const price of Object.values(host.prices)) assert.ok(price.source.length > 10 && price.low <= price.high);
  }
});

test("the nested hosts of one kernel differ in how they unmap, not in what a step costs", () => {
  const nested = BUILT_IN.filter((name) => name !== "bare-metal" && name !== "kvm-nested-7.3");
  const values = nested.map((name) => Object.values(builtInHost(name).prices).map(({ key, value }) => [key, value]));
  assert.deepEqual(values[1], values[0]);
  assert.deepEqual(values[2], values[0]);
  assert.deepEqual(
    nested.map((name) => builtInHost(name)).map((host) => [kvmOf(host).unmap, kvmOf(host).holes]),
    [
      ["per-chunk", "walked"],
      ["whole-shadow", "walked"],
      ["per-chunk", "skipped"],
    ],
  );
});

test("a host file with an unknown key is refused with its line", () => {
  refused((text) => text.replace("backing =", "bakcing ="), /^h\.toml:\d+: unknown key 'bakcing'|backing/);
  refused(
    (text) => `${text}\n[prices.exti]\nvalue = 1\nunit = "us"\nsource = "x"\n`,
    /^h\.toml:\d+: unknown key 'prices\.exti'/,
  );
});

test("a price without source, with another unit, below zero or with ends out of order is refused", () => {
  refused(
    (text) => text.replace(/(\[prices\.handler\][^[]*)source = .*/, "$1"),
    /^h\.toml:\d+: prices\.handler\.source: /,
  );
  refused(
    (text) => text.replace(/(\[prices\.exit\][^[]*)unit = "us"/, '$1unit = "ms"'),
    /^h\.toml:\d+: prices\.exit\.unit: .*"us"/,
  );
  refused((text) => text.replace("low = 5.8", "low = -1"), /prices\.exit\.low: /);
  refused(
    (text) => text.replace("low = 5.8", "low = 15"),
    /prices\.exit: expected low <= value <= high, got 15, 14\.3, 22\.8/,
  );
  refused((text) => text.replace("low = 5.8\n", ""), /prices\.exit: a range needs both 'low' and 'high'/);
  refused((text) => text.replace(/\[prices\.exit\][^[]*/, ""), /prices\.exit: /);
});

test("a price beyond any machine is refused: sums of it would be no numbers", () => {
  for (const value of ["inf", "1e308", "1e10", "1000000001"]) {
    refused(
      (text) => text.replace("high = 22.8", `high = ${value}`),
      /^h\.toml:\d+: prices\.exit\.high: .*<=1000000000/,
    );
    refused((text) => text.replace("value = 0.5\n", `value = ${value}\n`), /^h\.toml:\d+: prices\.fast-exit\.value: /);
  }
  refused(
    (text) => text.replace("low = 5.8", "low = nan"),
    /^h\.toml:\d+: prices\.exit\.low: expected number, found NaN/,
  );
  refused((text) => text.replace("low = 5.8", "low = -inf"), /^h\.toml:\d+: prices\.exit\.low: /);
});

test("a host file may name the machine of its prices, and need not", () => {
  const text = builtInText("bare-metal");
  assert.equal(parseHost(text, "h.toml", builtInHost).machine, "AWS Graviton4 (Neoverse V2, 96 cores)");
  assert.equal(parseHost(text.replace(/^machine = .*$/m, ""), "h.toml", builtInHost).machine, undefined);
  refused((one) => one.replace(/^machine = .*$/m, 'machine = ""'), /^h\.toml:\d+: machine: /);
});

test("a host of unknown kind, page size or backing is refused", () => {
  refused(
    (text) => text.replace('"kvm-nested"', '"xen"'),
    /h\.toml:\d+: kind: expected \("bare" \| "kvm-nested"\), found "xen"/,
  );
  refused((text) => text.replace('page-size = "4K"', 'page-size = "8K"'), /page-size: .*"4K"/);
  refused(
    (text) => text.replace('backing = "4K"', 'backing = "32M"'),
    /backing: expected 4K or 2M or 1G with 4K pages/,
  );
});
