/** Captures: a real Xen on an emulated machine, recorded as a trace. Needs Node, QEMU and, for its set-up, Debian's apt. */

export { openXenSyms, readImage, readInput, readKernel, type StorePlaces } from "../binary/index.js";
export { Apt, debianArchitecture } from "./apt.js";
export { cacheFolder, checkCache } from "./cache.js";
export { LAST_MEMORY_OP, memoryOpName, PHASES, type Phase } from "./call-marks.js";
export {
  type CaptureOptions,
  type CaptureProgress,
  type CaptureResult,
  capture,
  loggedTlbis,
  openXen,
  type Platform,
} from "./capture.js";
export { Cpio } from "./cpio.js";
export { domuRamdisk } from "./initramfs.js";
export {
  BASE,
  type Distribution,
  debianFolder,
  discardLists,
  findDistribution,
  hostPrograms,
  type Part,
  partOf,
  planOf,
  planSetup,
  RELEASES,
  type Release,
  readManifest,
  type SetupPlan,
} from "./packages.js";
export { run } from "./process.js";
export { checkQemu, type MachineSpec, Qemu, recordingArguments } from "./qemu.js";
export { CAPTURE_SCENARIOS, type CaptureScenario, captureScenario, markedScenario } from "./scenario.js";
export { holdSetUp } from "./set-up-lock.js";
export { checkSpace, freeSpace, megabytes } from "./space.js";
export { temporaryFolder } from "./temporary.js";
export { STALL, USUAL_LIMIT, Vitals } from "./vitals.js";
