/** A picture in a page. Drawing takes some milliseconds each: who shows many at once may have them drawn one after the other. */
import { createContext } from "preact";
import { useContext, useEffect, useState } from "preact/hooks";

/** Has something done when there is time; what it gives back calls that off. Without it everything is drawn at once. */
export type Later = (work: () => void) => () => void;
export const Drawing = createContext<Later | undefined>(undefined);

/** `draw` gives SVG as text, serialised, with names escaped. */
export function Picture({ draw }: { readonly draw: () => string }) {
  const later = useContext(Drawing);
  return later === undefined ? <Svg text={draw()} /> : <DrawnLater draw={draw} later={later} />;
}

function DrawnLater({ draw, later }: { readonly draw: () => string; readonly later: Later }) {
  const [text, setText] = useState<string>();
  useEffect(() => later(() => setText(draw())), [draw, later]);
  return text === undefined ? null : <Svg text={text} />;
}

function Svg({ text }: { readonly text: string }) {
  return <div dangerouslySetInnerHTML={{ __html: text }} />;
}
