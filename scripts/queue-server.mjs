// A Redis or Valkey server of one's own on a free port: of the system, or what setup-debian.sh has unpacked. For the bench.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { createServer } from "node:net";
import { homedir } from "node:os";
import { join } from "node:path";

const { SHOOTDOWN_CACHE, XDG_CACHE_HOME } = process.env;
const cache = SHOOTDOWN_CACHE || join(XDG_CACHE_HOME || join(homedir(), ".cache"), "shootdown");
const unpacked = join(cache, "debian", "queue", "usr");
const LD_LIBRARY_PATH = join(unpacked, "lib", process.arch === "arm64" ? "aarch64-linux-gnu" : "x86_64-linux-gnu");

/** Why there is none; undefined where there is. */
export const missingServer = () =>
  found() === undefined ? "no valkey-server or redis-server; scripts/setup-debian.sh fetches one" : undefined;

const found = () =>
  ["/usr/bin", "/usr/local/bin", join(unpacked, "bin")]
    .flatMap((bin) => [join(bin, "valkey-server"), join(bin, "redis-server")])
    .find((program) => existsSync(program));

/** Does work with a server that keeps what it has in `folder`; `url` is its address. */
export async function withServer(folder, work) {
  const free = createServer().listen(0, "127.0.0.1");
  await once(free, "listening");
  const { port } = free.address();
  free.close();
  const args = ["--port", String(port), "--bind", "127.0.0.1", "--dir", folder, "--save", "", "--appendonly", "yes"];
  const env = { ...process.env, LD_LIBRARY_PATH };
  const server = spawn(found(), args, { env, stdio: ["ignore", "pipe", "inherit"] });
  try {
    let said = "";
    for await (const piece of server.stdout) {
      said += piece;
      if (said.includes("Ready to accept connections")) break;
    }
    return await work(`redis://127.0.0.1:${port}`);
  } finally {
    server.kill("SIGKILL");
  }
}
