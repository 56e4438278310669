import assert from "node:assert/strict";
import { test } from "node:test";
import { builtInCpu, builtInPolicy } from "../builtin/index.js";
import { alphabet } from "../synth/index.js";
import { distinguishCpus } from "./distinguish-cpus.js";
import { PROCESS, talkingTo } from "./io.js";

test("two CPUs are told apart by the sequences that only one of them is sound with, and how they fail on the other", async () => {
  const cpus = [builtInCpu("cortex-a72"), builtInCpu("neoverse-n1")];
  const codes = ["dsb ishst", "tlbi alle1is", "dsb ish"];
  const instructions = alphabet("split", cpus).filter(({ code }) => codes.includes(code));
  const space = { base: builtInPolicy("xen-today"), occasion: "split", cpus, setting: { fb: true }, length: 3, instructions } as const; // biome-ignore format: one row
  const limits = { maxStates: 1_000_000, timeoutMs: 60_000 };
  const found = await talkingTo({ ...PROCESS, threads: 0 }, [], () =>
    distinguishCpus(space, limits, new AbortController().signal),
  );
  assert.deepEqual([found.size, found.sound, found.both, found.unknown], [80, [2 * 2, 0], 0, 0]);
  assert.deepEqual(
    found.only.map(({ cpu, sequence, other }) => [cpu, sequence, other.cpu, other.verdict]),
    ["with owner-vmid: ", ""].map((owner) => [
      ...["cortex-a72", `${owner}dsb ishst; tlbi alle1is; dsb ish`],
      ...["neoverse-n1", "unsound"],
    ]),
  );
  assert.match(found.only[0]!.other.scenario!.name, /^split\./);
});
