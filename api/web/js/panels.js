/** One panel in its tile: skeleton, answer (number, chart, table), empty, error; its menu of files. */
import { announce, disclosure, el, errorBlock, icon, toast } from "./dom.js";
import { draw } from "./charts.js";
import { cell, compareNumbers, kindOf, number, words } from "./format.js";
import { chartProblem, drawablePie, yNames } from "./series.js";

const FILES = [
  ["csv", "CSV"],
  ["json", "JSON"],
  ["parquet", "Parquet"],
  ["arrow", "Arrow"],
];
const ROWS_AT_ONCE = 200;
const PATIENCE = 4000;

export class Panel {
  /**
   * `definition`: {title, description, chart, format}.
   * `context`: {memories, emptyText, save(slug, format, truncated), retry(slug)}.
   */
  constructor(slug, definition, context) {
    Object.assign(this, {
      slug,
      context,
      definition: { chart: { type: "table" }, format: {}, ...definition, title: definition.title || words(slug) },
    });
    this.asTable = false;
    this.answer = null;
    this.body = el("div", { class: "panel-body" });
    this.notes = el("p", { class: "panel-notes", hidden: true });
    const id = `panel-${slug}`;
    this.element = el(
      "section",
      { class: `tile panel-${this.type}`, "aria-labelledby": id },
      el(
        "header",
        {},
        el(
          "div",
          { class: "titles" },
          el("h3", { id, title: this.definition.title }, this.definition.title),
          definition.description
            ? el("p", { class: "description" }, definition.description)
            : null,
        ),
        this.menu(),
      ),
      this.body,
      this.notes,
    );
    this.loading();
  }

  get type() {
    return this.definition.chart.type || "table";
  }

  menu() {
    const { title } = this.definition;
    const button = el(
      "button",
      { class: "quiet icon-only", type: "button", "aria-label": `Menu of ${title}` },
      icon("more"),
    );
    const entry = (text, onclick, extra = {}) =>
      el(
        "button",
        {
          type: "button",
          ...extra,
          onclick: () => {
            wrapper.close();
            button.focus();
            onclick();
          },
        },
        text,
      );
    this.flip = ["number", "table"].includes(this.type) ? null : entry("Show as table", () => this.toggleTable());
    const panel = el(
      "div",
      { class: "panel menu", role: "group", "aria-label": `Menu of ${title}` },
      this.flip,
      el("span", { class: "menu-title" }, "Download"),
      FILES.map(([format, label]) =>
        entry(label, () => this.save(format, label), { "aria-label": `Download ${title} as ${label}` }),
      ),
    );
    const wrapper = disclosure(button, panel, "pop right");
    return wrapper;
  }

  async save(format, label) {
    announce(`Preparing ${label} of ${this.definition.title}`);
    try {
      await this.context.save(this.slug, format, Boolean(this.answer?.meta?.truncated));
      announce(`${label} of ${this.definition.title} is saved`);
    } catch (problem) {
      toast(`${label} of “${this.definition.title}”: ${problem.title || "not saved"}`, problem.detail);
    }
  }

  toggleTable() {
    this.asTable = !this.asTable;
    this.flip.textContent = this.asTable ? "Show as chart" : "Show as table";
    this.redraw();
  }

  /** A skeleton at first; later the last answer, dimmed, until the next is here. */
  loading() {
    this.element.setAttribute("aria-busy", "true");
    clearTimeout(this.slow);
    this.slow = setTimeout(() => this.note(["Still waiting for the answer …"]), PATIENCE);
    if (!this.answer)
      this.put(
        el(
          "div",
          { class: `skeleton of-${this.type}`, "aria-hidden": "true" },
          ...Array.from({ length: 6 }, () => el("i")),
        ),
      );
  }

  /** `answer`: {columns, rows, meta}, {problem}, or {missing: true} where the page itself says why. */
  show(answer) {
    this.element.removeAttribute("aria-busy");
    clearTimeout(this.slow);
    this.answer = answer.problem || answer.missing ? null : answer;
    if (answer.missing) this.put(el("div", { class: "state empty" }, icon("empty"), el("p", {}, "Not answered")));
    else if (answer.problem)
      this.put(
        errorBlock(answer.problem, () => {
          this.loading();
          this.context.retry(this.slug);
        }),
      );
    else this.redraw();
  }

  redraw() {
    if (!this.answer) return;
    const { rows, columns, meta = {} } = this.answer;
    const notes = meta.truncated
      ? [`Cut off after ${number(rows.length, "integer")} rows. A download holds more.`]
      : [];
    if (!rows.length || (this.type === "number" && this.stats().every((stat) => stat.value == null))) {
      return this.put(el("div", { class: "state empty" }, icon("empty"), el("p", {}, this.context.emptyText)), notes);
    }
    if (this.type === "number" && !this.asTable)
      return this.put(el("div", { class: "stats" }, this.stats().map(statNode)), notes);
    const problem = this.type === "table" ? null : chartProblem(this.definition.chart, columns);
    const whole = this.type !== "pie" || problem || drawablePie(this.definition.chart, this.answer);
    if (this.type === "table" || this.asTable || problem || !whole) {
      const why = problem || (whole ? null : "Shares need values above zero, so these are shown as a table.");
      return this.put(table(this.answer, this.definition), why ? [why, ...notes] : notes);
    }
    this.put(null);
    this.drawing = draw(this.body, this.definition, this.answer, this.context.memories);
    this.note([...this.drawing.notes, ...notes]);
  }

  stats() {
    const { columns, rows } = this.answer;
    const names = yNames(this.definition.chart, columns);
    return (names.length ? names : [columns[0]?.name]).map((name) => {
      const position = columns.findIndex((column) => column.name === name);
      return {
        name,
        alone: names.length < 2,
        column: columns[position],
        value: rows[0]?.[position],
        format: this.definition.format[name],
      };
    });
  }

  put(node, notes = []) {
    this.drawing?.destroy();
    this.drawing = null;
    this.body.classList.remove("with-side", "tall");
    this.body.replaceChildren(...(node ? [node] : []));
    this.note(notes);
  }

  note(notes) {
    this.notes.textContent = notes.join(" ");
    this.notes.hidden = !notes.length;
  }

  destroy() {
    clearTimeout(this.slow);
    this.drawing?.destroy();
  }
}

function statNode({ name, alone, column, value, format }) {
  const exact = column ? cell(value, column, format) : "–";
  const isNumber = column && kindOf(column.type) === "number";
  const brief = isNumber && exact.length > 13 ? number(value, format, { compact: true }) : exact;
  return el(
    "div",
    { class: "stat" },
    el("strong", { class: brief.length > 12 ? "long" : null, title: exact, "aria-label": exact }, brief),
    brief === exact ? null : el("span", { class: "exact", "aria-hidden": "true" }, exact),
    alone ? null : el("span", { class: "stat-name" }, words(name)),
  );
}

/** A table with sortable columns; long ones grow on demand. Cells are formatted from the values as they came. */
function table({ columns, rows }, { format, title }) {
  const numeric = columns.map((column) => kindOf(column.type) === "number");
  const body = el("tbody");
  const more = el("button", { type: "button", class: "more", onclick: () => append(ROWS_AT_ONCE * 5) });
  let order = rows;
  let shown = 0;
  const append = (count) => {
    for (const row of order.slice(shown, shown + count))
      body.append(
        el(
          "tr",
          {},
          row.map((value, at) => cellNode(value, columns[at], format[columns[at].name], numeric[at])),
        ),
      );
    shown = Math.min(shown + count, order.length);
    more.hidden = shown >= order.length;
    more.textContent = `Show more (${number(shown, "integer")} of ${number(order.length, "integer")} rows)`;
  };
  const sort = (at, descending) => {
    const by = numeric[at]
      ? compareNumbers
      : (a, b) => String(a).localeCompare(String(b), undefined, { numeric: true });
    order = [...rows].sort(
      (a, b) => (a[at] == null) - (b[at] == null) || (a[at] == null ? 0 : by(a[at], b[at]) * (descending ? -1 : 1)),
    );
    body.replaceChildren();
    shown = 0;
    append(ROWS_AT_ONCE);
  };
  append(ROWS_AT_ONCE);
  return el(
    "div",
    { class: "table", tabindex: "0", role: "region", "aria-label": `${title}: table` },
    el("table", {}, el("thead", {}, headerRow(columns, numeric, sort)), body),
    more,
  );
}

function headerRow(columns, numeric, sort) {
  const heads = columns.map((column, at) =>
    el(
      "th",
      { scope: "col", class: numeric[at] ? "number" : null },
      el(
        "button",
        {
          type: "button",
          title: `${column.name}, ${column.type}`,
          onclick: () => {
            const descending = heads[at].getAttribute("aria-sort") === (numeric[at] ? null : "ascending");
            heads.forEach((head) => head.removeAttribute("aria-sort"));
            heads[at].setAttribute("aria-sort", descending ? "descending" : "ascending");
            sort(at, descending);
          },
        },
        words(column.name),
      ),
    ),
  );
  return el("tr", {}, ...heads);
}

function cellNode(value, column, format, isNumber) {
  const text = cell(value, column, format);
  const raw = value != null && typeof value !== "object" && String(value) !== text ? String(value) : null;
  return el(
    "td",
    {
      class: isNumber ? "number" : value == null ? "none" : null,
      title: isNumber ? raw : text.length > 40 ? text : raw,
    },
    isNumber || value == null ? text : el("span", {}, text),
  );
}
