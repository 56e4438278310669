/** Where a view cannot be shown, the page says so and offers its start: never a blank page. */
import { Component, type ComponentChildren } from "preact";
import { faultOf } from "./parts.js";

interface Props {
  readonly children: ComponentChildren;
}

export class Boundary extends Component<Props, { readonly fault?: string }> {
  static override getDerivedStateFromError(error: unknown) {
    return { fault: faultOf(error) };
  }

  override render() {
    const { fault } = this.state;
    if (fault === undefined) return this.props.children;
    return (
      <main>
        <p class="message" role="alert">
          A fault of Shootdown itself, please report it: {fault}. The address has what was shown;{" "}
          <a href="./">the start</a> does without.
        </p>
      </main>
    );
  }
}
