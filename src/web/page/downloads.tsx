/** What is shown, as the files that the command line writes. */

import { VERSION } from "virtual:shootdown";
import { useState } from "preact/hooks";
import { builtInCpu, usualCpus } from "../../builtin/index.js";
import { assumptions, supposedOf } from "../../prove/index.js";
import { signOffJson } from "../../report/page.js";
import { errataOf, optionsOf, settingOf } from "../choices.js";
import { download, faultOf } from "./parts.js";
import { pool } from "./pool.js";
import { fileOf } from "./state.js";
import { keyOf, OCCASIONS, type Proved } from "./use-proof.js";

export function Downloads({ proved }: { readonly proved: Proved }) {
  const [said, say] = useState("");
  const { policy, choices, facts, verdicts, done: cpus } = proved;
  const name = facts?.name ?? "policy";
  const results = OCCASIONS.flatMap((occasion) => cpus.flatMap((cpu) => verdicts.get(keyOf(occasion, cpu)) ?? []));
  const asked = { text: policy.text, file: fileOf(policy), version: VERSION };
  const usual = cpus.length === usualCpus().length;
  const options = `${usual ? "" : ` --cpu ${cpus.join(",")}`}${optionsOf(choices)}`;
  const json = async (): Promise<void> => {
    const made = await pool.ask("made", { ...asked, options: `${options} --json` }, { ahead: true });
    const errata = supposedOf(errataOf(choices), cpus.map(builtInCpu));
    const all = {
      results: results.map(signOffJson),
      ...(errata.length > 0 && { errata }),
      granule: choices.granule ?? "4K",
      assumptions: assumptions(settingOf(choices), choices.without),
      made,
    };
    download(`${name}.json`, `${JSON.stringify(all, null, 2)}\n`, "application/json");
  };
  const report = async (): Promise<void> => {
    const about = { ...asked, options: `${options} --report ${name}.html`, results, cpus, choices };
    download(`${name}.html`, await pool.ask("proofReport", about, { ahead: true }), "text/html");
  };
  const doing = (work: () => Promise<void>) => () => {
    say("");
    work().catch((error: unknown) => say(faultOf(error)));
  };
  return (
    <>
      <button
        type="button"
        disabled={facts === undefined}
        onClick={() => download(`${name}.toml`, policy.text, "text/plain")}
      >
        Save the policy
      </button>
      <button type="button" disabled={cpus.length === 0} onClick={doing(json)}>
        JSON
      </button>
      <button type="button" disabled={cpus.length === 0} onClick={doing(report)}>
        Report
      </button>
      {said !== "" && <span role="alert">{said}</span>}
    </>
  );
}
