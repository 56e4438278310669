import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { servePage } from "../jobs/index.js";
import { shootdown } from "./command.fixture.js";

const site = mkdtempSync(join(tmpdir(), "shootdown-site-"));
after(() => rmSync(site, { recursive: true }));
mkdirSync(join(site, "assets"));
writeFileSync(join(site, "index.html"), "<!doctype html><title>a page</title>");
writeFileSync(join(site, "assets/a.js"), "export const a = 1;");

/** Status and body; the path goes out as it is. */
const ask = (url: string, path: string, headers = {}, method = "GET"): Promise<[number, string]> =>
  new Promise((resolve, reject) => {
    const { hostname, port } = new URL(url);
    const asked = request({ hostname, port, path, headers, method }, (response) => {
      let body = "";
      response.on("data", (piece) => {
        body += piece;
      });
      response.on("end", () => resolve([response.statusCode!, body]));
    });
    asked.on("error", reject).end();
  });

test("the page's files are served on the loopback address, and nothing else, to nobody from elsewhere", async () => {
  const served = await servePage(0, site);
  try {
    assert.match(served.url, /^http:\/\/127\.0\.0\.1:\d+\/$/);
    assert.deepEqual(await ask(served.url, "/?x"), [200, "<!doctype html><title>a page</title>"]);
    assert.deepEqual(await ask(served.url, "/assets/a.js"), [200, "export const a = 1;"]);
    for (const path of ["/../package.json", "/assets/..%2findex.html", "/assets", "//etc/passwd", "/none"])
      assert.deepEqual(await ask(served.url, path), [404, ""], path);
    assert.deepEqual(await ask(served.url, "/", { host: "elsewhere.example" }), [403, ""]);
    assert.deepEqual(await ask(served.url, "/", {}, "POST"), [405, ""]);
    const { port } = new URL(served.url);
    await assert.rejects(servePage(Number(port), site), /port \d+ is in use, expected a free one/);
  } finally {
    await served.close();
  }
});

test("a page that is not built is said to be so, and a port that is none is wrong usage", async () => {
  await assert.rejects(servePage(0, join(site, "assets")), /the page is not built.*npm run web/);
  const { status, err } = await shootdown(["web", "--port", "70000"]);
  assert.deepEqual([status, /Expected a number from 0 to 65535/.test(err)], [2, true]);
});
