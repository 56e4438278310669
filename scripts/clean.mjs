// Removes what an earlier build left, so that deleted sources leave nothing behind.
import { rmSync } from "node:fs";

rmSync("dist", { recursive: true, force: true });
