/**
 * The editor: CodeMirror, in a shadow root of its own. There its style sheets are made by script, which a strict
 * Content-Security-Policy allows; in the page's own head they would be text in the markup, which it does not.
 */
import { autocompletion, type CompletionContext, closeBrackets, completionKeymap } from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap } from "@codemirror/commands";
import { HighlightStyle, indentUnit, StreamLanguage, syntaxHighlighting } from "@codemirror/language";
import { type Diagnostic, linter, lintGutter, setDiagnostics } from "@codemirror/lint";
import { Annotation, EditorState } from "@codemirror/state";
import { drawSelection, EditorView, highlightActiveLine, hoverTooltip, keymap, lineNumbers } from "@codemirror/view";
import { tags } from "@lezer/highlight";
import { useEffect, useRef } from "preact/hooks";
import { COMPLETIONS, POLICY_LANGUAGE } from "./language.js";

/** An error at a line, from 1; 0: of the whole text. */
export interface Mistake {
  readonly line: number;
  readonly message: string;
}

interface Props {
  readonly label: string;
  readonly text: string;
  readonly mistake: Mistake | undefined;
  /** what a word means; [] where it means nothing */
  readonly meaning?: (word: string) => Promise<readonly string[]>;
  onText(text: string): void;
}

const COLOURS = HighlightStyle.define([
  { tag: tags.comment, color: "var(--soft)", fontStyle: "italic" },
  { tag: tags.string, color: "var(--line3)" },
  { tag: tags.heading, color: "var(--line7)", fontWeight: "700" },
  { tag: tags.propertyName, color: "var(--line6)" },
  { tag: tags.keyword, color: "var(--line8)", fontWeight: "600" },
  { tag: tags.operatorKeyword, color: "var(--line5)", fontWeight: "600" },
  { tag: tags.number, color: "var(--line1)" },
]);

const THEME = EditorView.theme({
  "&": { color: "var(--ink)", backgroundColor: "var(--paper)", fontSize: "14px", maxHeight: "34rem" },
  ".cm-scroller": {
    fontFamily: 'ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace',
    overflow: "auto",
  },
  ".cm-content": { caretColor: "var(--ink)" },
  ".cm-cursor": { borderLeftColor: "var(--ink)" },
  ".cm-gutters": { backgroundColor: "var(--band)", color: "var(--soft)", border: "none" },
  ".cm-activeLine": { backgroundColor: "var(--stripe)" },
  "&.cm-focused": { outline: "3px solid var(--link)" },
  "&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground": {
    backgroundColor: "var(--arrow)",
  },
  ".cm-tooltip": {
    backgroundColor: "var(--band)",
    color: "var(--ink)",
    border: "1px solid var(--soft)",
    maxWidth: "34rem",
  },
  ".cm-tooltip-autocomplete ul li[aria-selected]": { backgroundColor: "var(--arrow)", color: "var(--ink)" },
  ".cm-meaning": { padding: ".4rem .6rem", fontSize: "13px" },
  ".cm-meaning p": { margin: ".15rem 0" },
});

/** A change that is not typed: the text is another one. */
const GIVEN = Annotation.define<boolean>();

const hover = (meaning: NonNullable<Props["meaning"]>) =>
  hoverTooltip(async (view, at) => {
    const line = view.state.doc.lineAt(at);
    const word = [...line.text.matchAll(/[A-Za-z][\w.-]*/g)].find(
      ({ index, 0: text }) => line.from + index <= at && at <= line.from + index + text.length,
    );
    const says = word === undefined ? [] : await meaning(word[0]);
    if (word === undefined || says.length === 0) return null;
    const dom = document.createElement("div");
    dom.className = "cm-meaning";
    for (const text of says) dom.append(Object.assign(document.createElement("p"), { textContent: text }));
    return { pos: line.from + word.index, end: line.from + word.index + word[0].length, create: () => ({ dom }) };
  });

const complete = (context: CompletionContext) => {
  const word = context.matchBefore(/[\w.-]+/);
  return word === null && !context.explicit ? null : { from: word?.from ?? context.pos, options: COMPLETIONS };
};

export function Editor({ label, text, mistake, meaning, onText }: Props) {
  const host = useRef<HTMLDivElement>(null);
  const view = useRef<EditorView | undefined>(undefined);
  const told = useRef(onText);
  told.current = onText;
  /** what was typed, and has not come back as the text yet */
  const echoes = useRef(new Set<string>());

  // The editor is made once.
  useEffect(() => {
    const root = host.current!.shadowRoot ?? host.current!.attachShadow({ mode: "open" });
    const made = new EditorView({
      root,
      parent: root,
      state: EditorState.create({
        doc: text,
        extensions: [
          [lineNumbers(), history(), drawSelection(), highlightActiveLine(), closeBrackets(), indentUnit.of("  ")],
          StreamLanguage.define(POLICY_LANGUAGE),
          syntaxHighlighting(COLOURS),
          autocompletion({ override: [complete] }),
          linter(null),
          lintGutter(),
          keymap.of([...completionKeymap, ...defaultKeymap, ...historyKeymap]),
          EditorView.lineWrapping,
          EditorView.contentAttributes.of({ "aria-label": label, tabindex: "0" }),
          EditorView.updateListener.of((update) => {
            if (!update.docChanged || update.transactions.some((one) => one.annotation(GIVEN))) return;
            const typed = update.state.doc.toString();
            echoes.current.add(typed);
            told.current(typed);
          }),
          THEME,
          meaning ? hover(meaning) : [],
        ],
      }),
    });
    view.current = made;
    return () => made.destroy();
  }, []);

  useEffect(() => {
    const { current } = view;
    if (!current) return;
    if (current.state.doc.toString() === text) echoes.current.clear();
    // What was typed comes back later than the next key: to put it in again would take that key away, and so on for ever.
    else if (!echoes.current.has(text))
      current.dispatch({
        changes: { from: 0, to: current.state.doc.length, insert: text },
        annotations: GIVEN.of(true),
      });
  }, [text]);

  useEffect(() => {
    const { current } = view;
    if (!current) return;
    const { doc } = current.state;
    const at = mistake && doc.line(Math.min(Math.max(1, mistake.line), doc.lines));
    const found: Diagnostic[] = at ? [{ from: at.from, to: at.to, severity: "error", message: mistake.message }] : [];
    current.dispatch(setDiagnostics(current.state, found));
  }, [mistake, text]);

  return <div class="editor" ref={host} />;
}
