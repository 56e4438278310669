/** What a page was made from, so that who gets it in a mail can make it again and compare. */
import type { Made } from "../../jobs/index.js";
import { shortened } from "../made.js";
import { wordTable } from "../table.js";
import { DataTable } from "./data-table.js";

export function MadeFrom({ made }: { readonly made: Made }) {
  const rows = made.inputs.map((input) => [input.file, shortened(input)]);
  return (
    <>
      <p>
        Made by shootdown {made.version} with this command; it gives the same figures, verdicts and stories each time
        from the same inputs:
      </p>
      <pre>{made.command}</pre>
      {rows.length > 0 && (
        <DataTable
          table={wordTable(["input", "SHA-256"], rows)}
          caption="The files that were read, with the first digits of sha256sum."
          kind="inputs"
        />
      )}
    </>
  );
}
