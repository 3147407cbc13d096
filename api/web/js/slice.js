/** The slice behind a dashboard: its manifest in brief, its file. */
import { disclosure, el, errorBlock, icon, toast } from "./dom.js";
import { bytes, dateTime, number } from "./format.js";

/** The button that saves the slice's file. `mayExport`: whether the key has the right. `onproblem`: as of a view. */
export function fileButton(api, mayExport, onproblem) {
  const label = el("span", {}, "Slice file");
  const button = el(
    "button",
    {
      type: "button",
      disabled: !mayExport,
      hidden: !mayExport && "embedded" in document.body.dataset, // whose page it is asks for no more rights
      title: mayExport ? "Download this slice as one DuckDB file" : "This key may not download the slice",
    },
    icon("download"),
    label,
  );
  button.addEventListener("click", async () => {
    button.disabled = true;
    label.textContent = "Preparing…";
    try {
      await api.save("/v1/slice/file", "slice.duckdb", (part) => {
        label.textContent = part === null ? "Loading…" : `${Math.floor(part * 100)} %`;
      });
    } catch (problem) {
      if (!onproblem(problem)) toast(`Slice file: ${problem.title}`, problem.detail);
    }
    button.disabled = false;
    label.textContent = "Slice file";
  });
  return button;
}

/** A button that opens what the slice holds. `signal` ends the question with the view. */
export function sliceDetails(api, signal, onproblem) {
  const button = el("button", { type: "button" }, icon("info"), "About this slice");
  const panel = el("div", { class: "panel about", role: "group", "aria-label": "About this slice" });
  panel.addEventListener("open", async () => {
    panel.replaceChildren(el("p", { class: "fine" }, "Loading…"));
    try {
      panel.replaceChildren(...manifestNodes(await api.json("/v1/slice", { signal })));
    } catch (problem) {
      if (problem.name !== "AbortError" && !onproblem(problem)) panel.replaceChildren(errorBlock(problem));
    }
  });
  return disclosure(button, panel, "pop right");
}

function manifestNodes(manifest) {
  const fact = (name, value) => [el("dt", {}, name), el("dd", {}, value)];
  const tables = Object.entries(manifest.tables || {});
  return [
    el("p", {}, "Everything here is answered from one DuckDB file that holds this tenant's rows and nobody else's."),
    el(
      "dl",
      {},
      ...fact("Size", manifest.bytes == null ? "–" : bytes(manifest.bytes)),
      ...fact("Rows", number(String(manifest.rows ?? 0), "integer")),
      ...fact("As of", dateTime(manifest.as_of)),
      ...fact("Version", manifest.version || "–"),
    ),
    el(
      "div",
      { class: "table", tabindex: "0", role: "region", "aria-label": "Tables of this slice" },
      el(
        "table",
        {},
        el(
          "thead",
          {},
          el(
            "tr",
            {},
            el("th", { scope: "col" }, `Tables (${tables.length})`),
            el("th", { scope: "col", class: "number" }, "Rows"),
          ),
        ),
        el(
          "tbody",
          {},
          tables.map(([name, table]) =>
            el("tr", {}, el("td", {}, name), el("td", { class: "number" }, number(String(table.rows ?? 0), "integer"))),
          ),
        ),
      ),
    ),
  ];
}
