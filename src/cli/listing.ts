/** `shootdown policies | hosts | cpus | scenarios`: what is built in, each with a sentence and its source; NAME prints the file. */
import type { Command } from "commander";
import type { CpuProfile } from "../arch/index.js";
import {
  builtInText,
  cpuNames,
  hostNames,
  loadCpu,
  loadHost,
  loadPolicy,
  loadScenario,
  policyNames,
  type Shelf,
  scenarioNames,
} from "../catalog/index.js";
import { cpuJson, listingText } from "../report/index.js";
import { outputWidth, print, printFile, printJson } from "./output.js";

interface Listed {
  readonly name: string;
  readonly title: string;
  readonly source: string;
}

interface Listing {
  readonly shelf: Shelf;
  readonly names: () => string[];
  readonly load: (name: string) => Listed;
  readonly what: string;
}

const LISTINGS: readonly Listing[] = [
  {
    shelf: "policies",
    names: policyNames,
    load: loadPolicy,
    what: "ways of flushing: the code that runs on each occasion",
  },
  { shelf: "hosts", names: hostNames, load: loadHost, what: "what executes the hypervisor, with elementary prices" },
  { shelf: "cpus", names: cpuNames, load: loadCpu, what: "their features and errata, each with its source" },
  { shelf: "scenarios", names: scenarioNames, load: loadScenario, what: "pieces of hypervisor work" },
];

export function register(program: Command): void {
  for (const listing of LISTINGS)
    program
      .command(listing.shelf)
      .description(`list the built-in ${listing.shelf} (${listing.what}); with a name, print its file`)
      .argument("[name]", "print this one's file, as a start for one of your own")
      .option("--json", "print JSON")
      .action((name: string | undefined, options: { json?: boolean }) => {
        if (name === undefined) list(listing, options.json);
        else {
          const loaded = listing.load(name); // refuses a file of the user's own that is wrong, also when it is only printed
          if (options.json) printJson(listing.shelf === "cpus" ? cpuJson(loaded as CpuProfile) : loaded);
          else printFile(builtInText(listing.shelf, name));
        }
      });
}

function list({ names, load, shelf }: Listing, json: boolean | undefined): void {
  const all = names().map(load);
  if (json) {
    printJson(all.map(({ name, title, source }) => ({ name, title, source })));
    return;
  }
  print(listingText(shelf, all, outputWidth()));
}
