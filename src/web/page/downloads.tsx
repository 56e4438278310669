/** What is shown, as the files that the command line writes. */

import { VERSION } from "virtual:shootdown";
import { useState } from "preact/hooks";
import { assumptions } from "../../prove/index.js";
import { signOffJson } from "../../report/page.js";
import { download, faultOf } from "./parts.js";
import { pool } from "./pool.js";
import { fileOf } from "./state.js";
import { EVERY_CPU, keyOf, OCCASIONS, type Proved } from "./use-proof.js";

export function Downloads({ proved }: { readonly proved: Proved }) {
  const [said, say] = useState("");
  const { policy, facts, verdicts, done } = proved;
  const name = facts?.name ?? "policy";
  const results = OCCASIONS.flatMap((occasion) => EVERY_CPU.flatMap((cpu) => verdicts.get(keyOf(occasion, cpu)) ?? []));
  const asked = { text: policy.text, file: fileOf(policy), version: VERSION };
  const json = async (): Promise<void> => {
    const made = await pool.ask("made", { ...asked, options: " --json" }, { ahead: true });
    const all = { results: results.map(signOffJson), assumptions: assumptions({ fb: true }), made };
    download(`${name}.json`, `${JSON.stringify(all, null, 2)}\n`, "application/json");
  };
  const report = async (): Promise<void> => {
    const options = ` --report ${name}.html`;
    download(
      `${name}.html`,
      await pool.ask("proofReport", { ...asked, options, results }, { ahead: true }),
      "text/html",
    );
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
      <button type="button" disabled={!done} onClick={doing(json)}>
        JSON
      </button>
      <button type="button" disabled={!done} onClick={doing(report)}>
        Report
      </button>
      {said !== "" && <span role="alert">{said}</span>}
    </>
  );
}
