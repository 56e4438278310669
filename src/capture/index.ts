/** Captures: a real Xen on an emulated machine, recorded as a trace. Needs Node, QEMU and, for its set-up, Debian's apt. */

export { openXenSyms, readInput, type StorePlaces } from "../binary/index.js";
export { cacheFolder, checkCache } from "./cache.js";
export { LAST_MEMORY_OP, memoryOpName, PHASES, type Phase } from "./call-marks.js";
export { type CaptureOptions, type CaptureProgress, type CaptureResult, capture, openXen } from "./capture.js";
export { domuRamdisk } from "./initramfs.js";
export {
  BASE,
  type Distribution,
  discardLists,
  findDistribution,
  planSetup,
  RELEASES,
  type Release,
} from "./packages.js";
export { CAPTURE_SCENARIOS, type CaptureScenario, captureScenario } from "./scenario.js";
export { checkSpace, freeSpace, megabytes } from "./space.js";
