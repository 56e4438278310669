/** Work on behalf of commands: on all cores, with progress, and an end at Ctrl-C. Its worker files are loaded by its threads. */

export { buildName } from "./build.js";
export { type Calibration, calibrate, type Measured, parseMeasured } from "./calibrate.js";
export { type CaptureAsked, RECORDERS, recordCapture } from "./capture.js";
export { CaptureMeter } from "./capture-meter.js";
export { priceCaptures } from "./captures.js";
export { type Checked, checkTrace, type PricedFinding, priceOfTlbi } from "./check.js";
export {
  type CodeAsked,
  type CodeOnTrial,
  type CodeWay,
  codeOnTrial,
  judgeCode,
  saveCode,
} from "./code.js";
export { compareInThreads, earlyThreads, type KeptFor, keptFor } from "./compare.js";
export { type Converted, convertLitmus, FORMS, type Form } from "./convert.js";
export { cpusOf, errataOf, refuseOutside } from "./cpus.js";
export { proveInThreads } from "./decide.js";
export { type Distinguished, distinguishInThreads } from "./distinguish.js";
export { type CpusDistinguished, distinguishCpus, type OnlyOn } from "./distinguish-cpus.js";
export { importInto } from "./import.js";
export { injectInto, undoInjection } from "./inject.js";
export { coverOf, type IntentOptions, intentOf, parseInstruction, parseXt, type TypedTlbi } from "./instruction.js";
export { type Io, io, PROCESS, talkingTo } from "./io.js";
export { SHELVES } from "./kept.js";
export { type LiftedTrace, namesTrace, proveTraces } from "./lift.js";
export { decideLitmus } from "./litmus.js";
export type { LitmusResult } from "./litmus-worker.js";
export { type Input, type Made, made, shellWord, version } from "./made.js";
export { type MinimizeResult, minimizeInThreads } from "./minimize.js";
export { besideCounts, type HostCosts } from "./nested.js";
export { perfettoInto } from "./perfetto.js";
export { readProbe, runProbe } from "./probe.js";
export { INTERRUPTED, Interrupted, interruptible, interruptibleInto, ProgressLine } from "./progress.js";
export { occasionsOf, questionsOf } from "./questions.js";
export { parseQueue } from "./queue/address.js";
export { serveQueue } from "./queue/worker.js";
export { readSide, readWithProgress } from "./read.js";
export { resumed, resumeLines } from "./resume.js";
export { saveScenarios } from "./save.js";
export { scenarioOf } from "./scenarios.js";
export { openInBrowser, servePage } from "./serve.js";
export { simulateInto, simulateSide } from "./simulate.js";
export { type Beside, type Done, lengthOn, type Priced, type Synthesis, synthesizeInThreads } from "./synthesize.js";
export { type Bounds, userVerdicts } from "./verdicts.js";
