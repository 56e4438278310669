/** The sample of the published suite, where it stands beside the project: everything in it is read. */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { type LitmusTest, parseLitmus } from "./index.js";
import { walkInitial } from "./walk.fixture.js";

const FOLDER = fileURLToPath(new URL("../../../../shared/litmus/tests", import.meta.url));
const skip = existsSync(FOLDER) ? false : "the sample of the published suite does not stand in ../shared/litmus/tests";

const read = (file: string): LitmusTest => parseLitmus(readFileSync(join(FOLDER, file), "utf8"), file);
const files = skip ? [] : readdirSync(FOLDER).filter((file) => file.endsWith(".toml"));
const registersOf = (file: string, thread = 0) => read(`${file}.litmus.toml`).program.threads[thread]!.registers;

test("every test of the sample is read", { skip }, () => {
  assert.ok(files.length >= 45, `${files.length} files`);
  for (const file of files) assert.ok(read(file).program.threads.length > 0, file);
});

test("further pages of tables stand where the tests say that they stand", { skip }, () => {
  assert.equal(registersOf("ROT.inv+po")[1], 0x28_3000n);
  assert.equal(registersOf("IntermediateTLB+MultiStage.inv33")[5], 0x2c_3000n);
  const { 3: built, 0: pointer } = registersOf("pKVM.create_hyp_mappings.inv.l2");
  assert.deepEqual([built, pointer], [0x28_3000n, 0x28_3003n]);
});

test("descriptors that a thread works on are mapped for one of its exception levels", { skip }, () => {
  for (const file of files) {
    const { memory, threads } = read(file).program;
    for (const { registers, sysregs, name } of threads)
      for (const [register, value] of Object.entries(registers)) {
        const pa = Number(value);
        if (!/descriptor/.test(memory.describe(pa) ?? "") || pa % 8 !== 0 || pa % 0x10_0000 === 0) continue;
        const guest = walkInitial({ memory }, sysregs.TTBR0_EL1!, sysregs.VTTBR_EL2!, pa);
        const hypervisor = walkInitial({ memory }, sysregs.TTBR0_EL2!, undefined, pa);
        assert.ok(guest === pa || hypervisor === pa, `${file}, ${name}:X${register} = 0x${pa.toString(16)}`);
      }
  }
});
