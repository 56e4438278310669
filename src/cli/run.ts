/** The command line as a function. One file per command; this one only dispatches and turns errors into one sentence and a status. */
import { Command, CommanderError } from "commander";
import { oneCommand } from "../files/index.js";
import { InputError, visibleLine } from "../input/index.js";
import { INTERRUPTED, Interrupted, type Io, io, PROCESS, talkingTo, version } from "../jobs/index.js";
import { register as calibrate } from "./calibrate.js";
import { register as capture } from "./capture.js";
import { register as check } from "./check.js";
import { register as compare } from "./compare.js";
import { register as completion } from "./completion.js";
import { register as diff } from "./diff.js";
import { register as distinguish } from "./distinguish.js";
import { register as explain } from "./explain.js";
import { register as importLog } from "./import.js";
import { register as inject } from "./inject.js";
import { register as listings } from "./listing.js";
import { register as litmus } from "./litmus.js";
import { register as minimize } from "./minimize.js";
import { ExitStatus, outputWidth, print, say } from "./output.js";
import { register as price } from "./price.js";
import { register as probe } from "./probe.js";
import { register as prove } from "./prove.js";
import { register as show } from "./show.js";
import { register as simulate } from "./simulate.js";
import { register as synthesize } from "./synthesize.js";
import { register as tlbi } from "./tlbi.js";
import { register as traces } from "./traces.js";
import { register as web } from "./web.js";
import { register as worker } from "./worker.js";

/**
 * Runs one command, `words` without "shootdown"; resolves with its exit status: 1 for input that cannot be used, 2 for wrong
 * usage, 3 for a verdict not expected, 130 after Ctrl-C. Names of files start at the working folder of the process, a trace
 * written to "-" goes to the process's standard output, and one command runs at a time.
 */
export const run = (words: readonly string[], to: Io = PROCESS): Promise<number> =>
  talkingTo(to, words, async () => {
    oneCommand(to.stdinWhole);
    try {
      refuseWithoutFolder();
      await program().parseAsync(words, { from: "user" });
      return 0;
    } catch (error) {
      return statusOf(error);
    }
  });

function program(): Command {
  const program = new Command("shootdown")
    .description(
      "A laboratory for TLB maintenance on Arm64 hypervisors: what a way of flushing does and what it costs.",
    )
    .version(version())
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({ writeOut: print, writeErr: say, getOutHelpWidth: outputWidth, getErrHelpWidth: outputWidth })
    .exitOverride()
    .showHelpAfterError("(add --help for the options)");
  for (const register of [
    compare,
    prove,
    minimize,
    synthesize,
    distinguish,
    simulate,
    capture,
    inject,
    probe,
    calibrate,
    check,
    price,
    show,
    diff,
    importLog,
    litmus,
    tlbi,
    explain,
    listings,
    traces,
    worker,
    web,
    completion,
  ])
    register(program);
  return program;
}

/** Says what an error is, unless all has been said, and gives its exit status. */
export function statusOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  if (error instanceof ExitStatus) return error.status;
  if (error instanceof Interrupted) return INTERRUPTED;
  // A reader of a pipe that has seen enough is no error.
  if ((error as NodeJS.ErrnoException | undefined)?.code === "EPIPE") return 0;
  say(`shootdown: ${error instanceof InputError ? error.message : ownFault(error)}\n`);
  return 1;
}

/** What is nobody's fault but ours: in one line what to report, and where it happened. */
function ownFault(error: unknown): string {
  const stack = String((error as Error | undefined)?.stack ?? error);
  if (io().env.SHOOTDOWN_STACK) return `a fault of Shootdown itself: ${stack}`;
  const [what, ...frames] = stack.split(/\n\s+at /);
  const place = frames.find((frame) => frame.includes("/dist/"))?.replace(/^.*\/dist\/|\)$/g, "") ?? "unknown place";
  return `a fault of Shootdown itself, please report it: ${visibleLine(what!.slice(0, 200))} (at ${place}; SHOOTDOWN_STACK=1 shows more)`;
}

/** Node.js needs a working folder for relative names and for threads. */
function refuseWithoutFolder(): void {
  try {
    process.cwd();
  } catch {
    throw new InputError("the working folder is gone, expected one that exists: change to another");
  }
}
