/** The sample of the published suite against the verdicts that stand beside it; both are not part of this project. */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { cpuProfile } from "../arch/index.js";
import { explore, parseLitmus, proverCpu } from "./index.js";

const FOLDER = fileURLToPath(new URL("../../../shared/litmus", import.meta.url));
/**
 * The verdicts are those of the model of 2022, whose FEAT_ETS asked for more than program order. With FEAT_ETS2 a walk that would
 * otherwise fault sees the PE's own descriptor write without a DSB (B2.3; Arm's catalogue: ETS2.CoWR0+posptev1p-fripptev1).
 */
const BY_OLDER_ETS = new Set(
  ["po", "po-ctrl+po", "po-ctrl-isb+po", "poloc-ctrl-isb", "svc"].map((n) => `CoWTf.inv+${n}`),
);

const skip = existsSync(FOLDER) ? false : "the sample of the published suite is not here";

test("every test of the sample is decided as its published verdict says, without and with FEAT_ETS2", { skip }, () => {
  const { verdicts } = JSON.parse(readFileSync(join(FOLDER, "verdicts.json"), "utf8"));
  let compared = 0;
  for (const file of readdirSync(join(FOLDER, "tests"))) {
    const { program } = parseLitmus(readFileSync(join(FOLDER, "tests", file), "utf8"), file);
    const name = file.replace(".litmus.toml", "");
    for (const ets2 of [false, true]) {
      const cpu = { ...proverCpu(cpuProfile("arch-minimal")!), ets2 };
      const { verdict, reason } = explore(program, { ...cpu, maxStates: 100_000, timeoutMs: 0 });
      if (name.includes("misaligned")) assert.equal(verdict, "unsupported");
      else assert.match(verdict, /^(allowed|forbidden)$/, `${name}: ${reason}`);
      const published = verdicts[name]?.[ets2 ? "with FEAT_ETS2" : "without FEAT_ETS2"];
      if (published === undefined) continue;
      const expected = ets2 && BY_OLDER_ETS.has(name) ? "forbidden" : published;
      assert.equal(verdict, expected, `${name}${ets2 ? " with FEAT_ETS2" : ""}`);
      compared++;
    }
  }
  assert.equal(compared, 2 * Object.keys(verdicts).length);
});
