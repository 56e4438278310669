/** A table as HTML: the same value that terminals, CSV and Markdown show. */
import { type Cell, type Column, isNames, isRight, type Table } from "../table.js";
import { Scroll } from "./scroll.js";

/** Cells with more characters get room to wrap. */
const WORDY = 40;

interface Props {
  readonly table: Table;
  readonly caption: string;
  readonly kind?: string;
  /** where a cell leads to, by row and column */
  readonly href?: (row: number, column: number) => string | undefined;
}

/** The first column has the heads of the rows, and stays where it is while the others scroll. */
export function DataTable({ table, caption, kind = "", href }: Props) {
  const classes = table.columns.map((column, i) => classOf(table, column, i));
  return (
    <Scroll>
      <table class={kind}>
        <caption>{caption}</caption>
        <Head columns={table.columns} classes={classes} />
        <tbody>
          {table.rows.map((row, r) => (
            <tr>
              {row.map((cell, i) =>
                i === 0 ? (
                  <th scope="row" class={wordy(table, i) ? "text" : undefined}>
                    <Words cell={cell} />
                  </th>
                ) : (
                  <td
                    class={`${classes[i]} ${cell.tone ?? ""}`.trim() || undefined}
                    data-label={table.columns[i]!.head}
                  >
                    <Linked to={href?.(r, i)} cell={cell} />
                  </td>
                ),
              )}
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}

const wordy = ({ columns, rows }: Table, i: number): boolean =>
  columns[i]!.kind === "words" && rows.some((row) => row[i]!.text.length > WORDY);

function classOf(table: Table, column: Column, i: number): string {
  const { under } = column;
  const starts = i > 0 && (under === undefined || under === "" || table.columns[i - 1]!.under !== under);
  return [isRight(column) ? "number" : "", wordy(table, i) ? "text" : "", starts ? "starts" : ""]
    .filter((name) => name !== "")
    .join(" ");
}

function Head({ columns, classes }: { readonly columns: readonly Column[]; readonly classes: readonly string[] }) {
  const spans: { head: string; columns: number; first: number; over: boolean }[] = [];
  columns.forEach(({ head, under = "" }, first) => {
    const before = spans.at(-1);
    if (under !== "" && before?.over && before.head === under) before.columns++;
    else spans.push({ head: under === "" ? head : under, columns: 1, first, over: under !== "" });
  });
  const two = spans.some(({ over }) => over);
  return (
    <thead>
      <tr>
        {spans.map(({ head, columns: n, first, over }) =>
          over ? (
            <th scope="colgroup" colSpan={n} class={`span ${classes[first]}`.replace("number", "").trim()}>
              {head}
            </th>
          ) : (
            <th scope="col" rowSpan={two ? 2 : undefined} class={classes[first] || undefined}>
              {head}
            </th>
          ),
        )}
      </tr>
      {two && (
        <tr>
          {columns.map(({ head, under = "" }, i) =>
            under === "" ? null : (
              <th scope="col" class={classes[i] || undefined}>
                {head}
              </th>
            ),
          )}
        </tr>
      )}
    </thead>
  );
}

function Linked({ to, cell }: { readonly to: string | undefined; readonly cell: Cell }) {
  return to === undefined ? (
    <Words cell={cell} />
  ) : (
    <a href={to}>
      <Words cell={cell} />
    </a>
  );
}

/** The words of a cell, its mark, and its small print. */
function Words({ cell: { value, text, mark, note } }: { readonly cell: Cell }) {
  return (
    <>
      {isNames(value) && value.length > 1 ? (
        <ul class="items">
          {value.map((name) => (
            <li>{name}</li>
          ))}
        </ul>
      ) : (
        text
      )}
      {mark !== undefined && <span class="bad mark">{mark}</span>}
      {note !== undefined && <small>{note}</small>}
    </>
  );
}
