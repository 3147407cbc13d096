/** The drawing, as the API makes it; here it can be zoomed, and a table in it be chosen. */
import { el, errorBlock } from "../dom.js";

const STEPS = [0.35, 0.5, 0.7, 1, 1.4];

export class Drawing {
  /** `onselect(name)`: a table of the drawing was chosen. */
  constructor(onselect) {
    this.onselect = onselect;
    this.scale = 1;
    this.svg = null;
    this.box = el(
      "div",
      { class: "drawing-box", tabindex: "0", role: "region", "aria-label": "Drawing of the routes" },
      el("p", { class: "fine" }, "Drawing…"),
    );
    this.element = el(
      "section",
      { class: "drawing", "aria-labelledby": "drawn" },
      el(
        "div",
        { class: "drawing-head" },
        el("h2", { id: "drawn" }, "Drawing"),
        el(
          "div",
          { class: "zoom" },
          this.button("−", "Smaller", () => this.step(-1)),
          this.button("Fit", "Fit the width", () => this.fit()),
          this.button("+", "Larger", () => this.step(1)),
        ),
      ),
      this.box,
    );
  }

  button(text, label, onclick) {
    return el("button", { type: "button", "aria-label": label, title: label, onclick }, text);
  }

  /** Shows the SVG document of that text. */
  draw(text) {
    const parsed = new DOMParser().parseFromString(text, "image/svg+xml").documentElement;
    this.svg = document.importNode(parsed, true);
    this.width = Number(this.svg.getAttribute("width"));
    this.height = Number(this.svg.getAttribute("height"));
    this.box.replaceChildren(this.svg);
    this.svg.addEventListener("click", (event) => {
      const table = event.target.closest(".rg-table");
      if (table) this.onselect(table.dataset.table);
    });
    this.zoom(1);
  }

  fail(problem) {
    this.box.replaceChildren(errorBlock(problem));
  }

  fit() {
    this.zoom(Math.min(1, this.box.clientWidth / this.width));
  }

  step(by) {
    const near = STEPS.reduce((a, b) => (Math.abs(b - this.scale) < Math.abs(a - this.scale) ? b : a));
    this.zoom(STEPS[Math.min(STEPS.length - 1, Math.max(0, STEPS.indexOf(near) + by))]);
  }

  zoom(scale) {
    if (!this.svg) return;
    this.scale = scale;
    this.svg.style.width = `${this.width * scale}px`;
    this.svg.style.height = `${this.height * scale}px`;
  }

  /** Fades all tables but those named; null: none. */
  dim(names) {
    for (const table of this.svg?.querySelectorAll(".rg-table") ?? []) {
      table.classList.toggle("rg-dim", names !== null && !names.has(table.dataset.table));
    }
  }

  /** Marks a table, its edges and its neighbours, and brings it into view; null: none. */
  select(name) {
    if (!this.svg) return;
    this.svg.classList.toggle("rg-chosen", name !== null);
    const near = new Set([name]);
    for (const edge of this.svg.querySelectorAll(".rg-edge")) {
      const mine = edge.dataset.child === name || edge.dataset.parent === name;
      edge.classList.toggle("rg-mine", mine);
      if (mine) near.add(edge.dataset.child).add(edge.dataset.parent);
    }
    for (const table of this.svg.querySelectorAll(".rg-table")) {
      table.classList.toggle("rg-near", near.has(table.dataset.table));
      table.classList.toggle("rg-self", table.dataset.table === name);
      if (table.dataset.table === name) this.reveal(table);
    }
  }

  reveal(table) {
    const box = this.box.getBoundingClientRect();
    const at = table.getBoundingClientRect();
    this.box.scrollLeft += at.left - box.left - (box.width - at.width) / 2;
    this.box.scrollTop += at.top - box.top - (box.height - at.height) / 2;
  }
}
