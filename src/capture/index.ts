/** Captures: a real Xen on an emulated machine, recorded as a trace. Needs Node, QEMU and, for its set-up, Debian's apt. */

export { cacheFolder, checkCache } from "./cache.js";
export * from "./call-marks.js";
export * from "./capture.js";
export type { Segment } from "./console.js";
export { domuRamdisk } from "./initramfs.js";
export * from "./packages.js";
export * from "./scenario.js";
export { checkSpace, freeSpace, megabytes } from "./space.js";
export type { StorePlace, StorePlaces } from "./stores.js";
export { openXenSyms, readInput } from "./xen-image.js";
