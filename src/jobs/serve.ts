/** Serves the page from the package on the loopback address: its files, and nothing else. */
import { spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { extname, join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { InputError } from "../input/index.js";

/** Where `npm run web` puts the page. */
const SITE = fileURLToPath(new URL("../../site", import.meta.url));
const HOST = "127.0.0.1";

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
};

/** The page's own policy stands in its index.html; what a header alone can say is here. */
const HEADERS = {
  "content-security-policy": "frame-ancestors 'none'",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  "cache-control": "no-cache",
};

/** The files of the page by the path of their URL. Throws an InputError where the page was not built. */
function filesOf(site: string): ReadonlyMap<string, string> {
  if (!existsSync(join(site, "index.html")))
    throw new InputError("the page is not built, expected it in the folder site: run npm run web");
  const files = readdirSync(site, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const paths = files.map((entry) => join(entry.parentPath ?? entry.path, entry.name));
  return new Map([
    ["/", join(site, "index.html")],
    ...paths.map((path): [string, string] => [`/${relative(site, path).split(sep).join("/")}`, path]),
  ]);
}

/** A page that is served. */
interface Served {
  readonly url: string;
  close(): Promise<void>;
}

/** Serves the page at a port of the loopback address, 0 = any that is free. Rejects with an InputError. */
export async function servePage(port: number, site = SITE): Promise<Served> {
  const files = filesOf(site);
  const server = createServer((request, response) => answer(request, response, files));
  await listening(server, port);
  const address = server.address();
  const at = typeof address === "object" && address !== null ? address.port : port;
  return {
    url: `http://${HOST}:${at}/`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** A name that leads to this address is not enough: a page elsewhere must not read through it. */
const isOwn = (host: string | undefined): boolean => /^(127\.0\.0\.1|localhost)(:\d+)?$/.test(host ?? "");

function answer(request: IncomingMessage, response: ServerResponse, files: ReadonlyMap<string, string>): void {
  const path = (request.url ?? "/").replace(/[?#].*$/s, "");
  const file = files.get(path);
  const refused = ["GET", "HEAD"].includes(request.method ?? "") ? (isOwn(request.headers.host) ? 404 : 403) : 405;
  if (file === undefined || refused !== 404) {
    response.writeHead(refused, HEADERS).end();
    return;
  }
  try {
    const type = TYPES[extname(file)];
    const zipped = type !== undefined && /\bgzip\b/.test(String(request.headers["accept-encoding"]));
    const bytes = zipped ? gzipSync(readFileSync(file)) : readFileSync(file);
    response.writeHead(200, {
      ...HEADERS,
      "content-type": type ?? "application/octet-stream",
      "content-length": bytes.length,
      ...(zipped && { "content-encoding": "gzip" }),
    });
    response.end(request.method === "HEAD" ? undefined : bytes);
  } catch {
    response.writeHead(500, HEADERS).end();
  }
}

const listening = (server: Server, port: number): Promise<void> =>
  new Promise((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) =>
      reject(
        error.code === "EADDRINUSE"
          ? new InputError(`port ${port} is in use, expected a free one: --port 0 takes any`)
          : error.code === "EACCES"
            ? new InputError(`port ${port} is not allowed to this user, expected one from 1024`)
            : error,
      ),
    );
    server.listen(port, HOST, resolve);
  });

/** What opens a URL, by system. */
const OPENERS: Readonly<Partial<Record<NodeJS.Platform, string>>> = { darwin: "open", linux: "xdg-open" };

/** Opens a URL in the user's browser; resolves with false where that cannot be done. */
export function openInBrowser(url: string, opener = OPENERS[process.platform]): Promise<boolean> {
  if (opener === undefined) return Promise.resolve(false);
  return new Promise((resolve) => {
    const child = spawn(opener, [url], { stdio: "ignore", detached: true });
    child.once("error", () => resolve(false));
    child.once("spawn", () => {
      child.unref();
      resolve(true);
    });
  });
}
