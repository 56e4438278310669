/** Small parts that several views use. */
import { useEffect, useState } from "preact/hooks";
import { WorkError } from "../protocol.js";
import type { Mistake } from "./editor.js";

/** A fault in words: what a user gave, or what is Shootdown's own. */
export const faultOf = (error: unknown): string => {
  const message = error instanceof Error ? error.message : String(error);
  return error instanceof WorkError && error.own
    ? `a fault of Shootdown itself, please report it: ${message}`
    : message;
};

/** An error that names a file and a line, as a mistake of the text. */
export function mistakeOf(error: unknown): Mistake {
  const message = faultOf(error);
  const [, line, rest] = /^[^:\n]*:(\d+): (.*)$/s.exec(message) ?? [];
  return line === undefined ? { line: 0, message } : { line: Number(line), message: rest! };
}

export const isAbort = (error: unknown): boolean => error instanceof DOMException && error.name === "AbortError";

interface ChoiceProps {
  readonly label: string;
  readonly value: string;
  /** values, or pairs of value and words */
  readonly options: readonly (string | readonly [value: string, words: string])[];
  onChoice(value: string): void;
}

export function Choice({ label, value, options, onChoice }: ChoiceProps) {
  return (
    <label>
      {label}
      <select value={value} onChange={(event) => onChoice(event.currentTarget.value)}>
        {options.map((option) => {
          const [name, words] = typeof option === "string" ? [option, option] : option;
          return (
            <option value={name} key={name}>
              {words}
            </option>
          );
        })}
      </select>
    </label>
  );
}

/** Hands a text or bytes to the reader as a file. */
export function download(name: string, content: BlobPart, type: string): void {
  const url = URL.createObjectURL(new Blob([content], { type }));
  Object.assign(document.createElement("a"), { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/** The value of some time ago: what changes with every key is worked on when the hands rest. */
export function useRested<T>(value: T, milliseconds: number): T {
  const [rested, setRested] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setRested(() => value), milliseconds);
    return () => clearTimeout(timer);
  }, [value, milliseconds]);
  return rested;
}
