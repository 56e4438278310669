/** `--setup`: fetches from Debian what a command boots, after it was said what, and asked. */
import { createInterface } from "node:readline/promises";
import { Option } from "commander";
import { checkSpace, discardLists, freeSpace, holdSetUp, type SetupPlan } from "../capture/index.js";
import { InputError } from "../input/index.js";
import { CaptureMeter, interruptible, io } from "../jobs/index.js";
import { setupText } from "../report/index.js";
import { print, printJson, say } from "./output.js";

export interface SetUpOptions {
  readonly setup?: boolean;
  readonly yes?: boolean;
  readonly json?: boolean;
}

interface Found {
  readonly folder: string;
  readonly packages: readonly string[];
}

export const setUpOptions = (what: string): Option[] => [
  new Option("--setup", `fetch ${what} from Debian into the cache folder, and do no more`),
  new Option("--yes", "with --setup: do not ask"),
];

/** `there`: what a set-up has found before; `plan` finds out what is to be fetched. */
export async function setUp(
  options: SetUpOptions,
  command: string,
  there: Found | undefined,
  planned: (signal: AbortSignal, progress: (doing: string) => void) => Promise<SetupPlan<Found>>,
): Promise<void> {
  if (there) {
    const { folder } = there;
    if (options.json) printJson({ folder, files: 0, bytes: 0, packages: there.packages });
    else print(`ready: shootdown ${command} uses ${folder} (remove it to fetch everything anew)\n`);
    return;
  }
  if (!options.yes && !io().stdin().isTTY) throw new InputError("no terminal to ask on: add --yes");
  // checkCache refuses what others may write to: whatever the user's umask, nothing like that is made.
  process.umask(process.umask() | 0o022);
  await interruptible(async (signal) => {
    const done = holdSetUp();
    const meter = new CaptureMeter();
    try {
      const plan = await planned(signal, (doing) => meter.doing(doing));
      meter.stop();
      const free = freeSpace(plan.folder);
      say(setupText(plan, free));
      checkSpace(plan.folder, plan.needs, "the set-up", free);
      if (!options.yes && !(await agrees(signal))) throw new InputError("nothing was fetched");
      const { packages } = await plan.fetch((doing) => meter.doing(doing));
      meter.stop();
      if (options.json) printJson({ folder: plan.folder, files: plan.files, bytes: plan.bytes, packages });
      else print(`ready: shootdown ${command} uses ${plan.folder}\n`);
    } finally {
      meter.stop();
      discardLists();
      done();
    }
  });
}

async function agrees(signal: AbortSignal): Promise<boolean> {
  const asking = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return /^y/i.test(await asking.question("Go on? [y/N] ", { signal }));
  } finally {
    asking.close();
  }
}
