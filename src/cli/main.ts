#!/usr/bin/env node
/** The command as a process. */
import { INTERRUPTED } from "../jobs/index.js";
import { run, statusOf } from "./run.js";

// Nothing ends in a stack trace that a user has to read.
for (const event of ["uncaughtException", "unhandledRejection"] as const)
  process.on(event, (error: unknown) => process.exit(statusOf(error)));

const status = await run(process.argv.slice(2));
// Something may still wait for input that nobody will read.
if (status === INTERRUPTED) process.exit(status);
process.exitCode = status;
