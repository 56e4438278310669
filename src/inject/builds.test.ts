/**
 * Other builds of Xen than execute.test.ts has, of other versions and compilers: what is put into each is executed beside the
 * policy's runner, or refused. Those that are not set up are skipped.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { builtInCpu, builtInPolicy } from "../builtin/index.js";
import { findDistribution, RELEASES } from "../capture/index.js";
import { executed, type Gone, isWhole, meant, same, someRuns } from "./executed.testing.js";
import { injectedInto, openedXen } from "./xen.testing.js";

const CPUS = ["arch-maximal", "neoverse-n1"].map(builtInCpu);
const PAGE: Gone = { gfn: 0x39001, order: 0 };
const BLOCK: Gone = { gfn: 0x39200, order: 9 };

for (const release of RELEASES.filter((name) => name !== "trixie")) {
  const debian = findDistribution(release);
  const skip = debian ? false : `SKIPPED: Debian ${release}'s Xen is not here`;

  test(`${release}: at once, at the unlock, at a split: the runner's instructions with its operands`, { skip }, () => {
    const build = openedXen(debian!);
    const nothing = (): void => {};
    for (const cpu of CPUS) {
      for (const name of ["kvm-ipa", "kvm-ipa-no-ttl"])
        for (const entry of [PAGE, BLOCK]) {
          const policy = builtInPolicy(name);
          const [now, unlock] = executed(policy, cpu, [entry], nothing, build);
          same(now!, meant(policy, cpu, "revoke", entry), `${name} ${cpu.name} ${entry.order}`);
          same(unlock!, []);
        }
      const range = builtInPolicy(cpu.name === "neoverse-n1" ? "series-v3-patch1" : "kvm-ipa-range");
      const { entries } = someRuns(3);
      const few = entries.filter(({ order }) => order === 0).slice(0, 20);
      same(executed(range, cpu, few, nothing, build).at(-1)!, meant(range, cpu, "revoke", ...few), range.name);
      const inBlock: Gone = { gfn: 0x39234, order: 0, before: 9, breaks: "split" };
      const split = meant(builtInPolicy("kvm-ipa"), cpu, "split", { gfn: 0x39200, order: 9 });
      const [now] = executed(builtInPolicy("kvm-ipa"), cpu, [inBlock], nothing, build);
      same(now!.slice(0, split.length), split);
    }
    assert.ok(isWhole(executed(builtInPolicy("kvm-ipa"), CPUS[0]!, [{ ...BLOCK, before: 0 }], nothing, build)[0]!));
    assert.deepEqual(executed(builtInPolicy("remove-no-flush"), CPUS[0]!, [PAGE], nothing, build), [[], []]);
  });

  test(`${release}: each policy without batches, VAs and VMIDs of vCPUs can be put in`, { skip }, () => {
    const build = openedXen(debian!);
    for (const name of ["series-v1", "series-v3-patch1", "series-v3-patch2", "switch-vmalle1", "switch-no-flush"])
      assert.ok(injectedInto(builtInPolicy(name), CPUS[1]!, build).words.length > 0, name);
    const own = builtInPolicy(release === "bookworm" ? "xen-4.17" : "xen-today");
    assert.deepEqual(injectedInto(own, CPUS[0]!, build).words, [], "it executes that already");
  });
}
