import assert from "node:assert/strict";
import { test } from "node:test";
import { builtInText } from "../catalog/index.js";
import { hypervisorOf, parseScenario } from "./index.js";

const text = builtInText("scenarios", "vcpu-switch");
const said = (name: string): string => text.replace(/^/, `hypervisor = "${name}"\n`);

test("a scenario is of the hypervisor that it names, and of the first one where it names none", () => {
  for (const toml of [text, said("xen")]) assert.equal(hypervisorOf(parseScenario(toml, "s.toml")).title, "Xen");
  const { hypervisor, ...rest } = parseScenario(said("xen"), "s.toml");
  assert.equal(hypervisor, "xen");
  assert.deepEqual(rest, parseScenario(text, "s.toml"));
});

test("a scenario of a hypervisor that is not there is refused at its line", () => {
  assert.throws(
    () => parseScenario(said("acrn"), "s.toml"),
    /^InputError: s\.toml:1: hypervisor: expected "xen", found "acrn"/,
  );
});
