/** The page begins here. */
import { render } from "preact";
import { STYLE } from "../../report/page.js";
import { fromFragment, type Linked } from "../link.js";
import { App } from "./app.js";
import { Boundary } from "./boundary.js";
import { PAGE_STYLE } from "./style.js";
import { showKept } from "./theme.js";

showKept();
// Sheets that are made here are allowed where text in the page's own markup is not (Content-Security-Policy).
for (const text of [STYLE, PAGE_STYLE]) {
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(text);
  document.adoptedStyleSheets.push(sheet);
}

let linked: Linked | undefined;
let refused: string | undefined;
try {
  linked = await fromFragment(location.hash.slice(1));
} catch (error) {
  refused = error instanceof Error ? error.message : String(error);
}
// A file that is dropped beside its place would take the page's place.
for (const kind of ["dragover", "drop"] as const)
  addEventListener(kind, (event) => event.dataTransfer?.types.includes("Files") && event.preventDefault());

const app = document.getElementById("app")!;
app.textContent = "";
render(
  <Boundary>
    <App linked={linked} refused={refused} />
  </Boundary>,
  app,
);
