/** What is to be decided: for each table why, and the lines for the workspace file, each with what it would mean. */
import { announce, el } from "../dom.js";

export class Decisions {
  /** `tables`: as the API has them. `onshow(name)`: the table is to be shown. */
  constructor(tables, onshow) {
    const open = tables.filter((table) => table.decision === "review");
    this.element = el(
      "section",
      { class: "decisions", "aria-labelledby": "decide", hidden: !open.length },
      el("h2", { id: "decide" }, `To decide (${open.length})`),
      el("p", { class: "fine" }, "In no slice until one of the lines stands under tables: in the workspace file."),
      el(
        "div",
        { class: "cards" },
        open.map((table) => card(table, onshow)),
      ),
    );
  }
}

function card(table, onshow) {
  return el(
    "article",
    { class: "decision" },
    el("h3", {}, el("button", { class: "link", type: "button", onclick: () => onshow(table.table) }, table.table)),
    el("p", {}, table.review),
    lines(table),
  );
}

/** The lines of an open table, each with a button that copies it. */
export function lines(table) {
  return el(
    "ul",
    { class: "lines" },
    table.options.map((option) =>
      el(
        "li",
        {},
        el("div", { class: "line" }, el("code", {}, option.line), copier(option.line)),
        el("p", { class: "fine" }, option.means),
      ),
    ),
  );
}

function copier(text) {
  const button = el("button", { type: "button", class: "copy", "aria-label": `Copy ${text}` }, "Copy");
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
      announce(`Copied: ${text}`);
    } catch {
      getSelection().selectAllChildren(button.previousSibling);
      button.textContent = "Selected";
    }
    setTimeout(() => {
      button.textContent = "Copy";
    }, 2000);
  });
  return button;
}
