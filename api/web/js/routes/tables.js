/** Every table: a line with its route and counts, and below it, when opened, edges, pairs, rules and columns. */
import { announce, el, icon } from "../dom.js";
import { lines } from "./decisions.js";

const COUNTS = ["rows", "owned", "shared", "unreferenced", "filtered", "quarantined"];
const ORDER = ["open", "tenant", "direct", "indirect", "membership", "whole", "shared", "shared: referenced", "excluded"];
const NUMBER = new Intl.NumberFormat("en");

const routeOf = (table) => (table.decision === "review" ? "open" : table.route);
const shownRoute = (route) => (route === "open" ? "to decide" : route);

export class Tables {
  /** `onfilter(names or null)`: what a search leaves. `onselect(name or null)`: the table that is open. */
  constructor(tables, onfilter, onselect) {
    Object.assign(this, { tables, onfilter, onselect, open: null });
    this.columns = COUNTS.filter((c) => c === "rows" || tables.some((t) => t[c]));
    this.search = el("input", {
      type: "search",
      placeholder: "Search tables and columns",
      "aria-label": "Search tables and columns",
      autocomplete: "off",
      spellcheck: "false",
      oninput: () => this.render(),
    });
    const routes = ORDER.filter((route) => tables.some((t) => routeOf(t) === route));
    this.route = el(
      "select",
      { "aria-label": "Route", onchange: () => this.render() },
      el("option", { value: "" }, "All routes"),
      routes.map((route) => el("option", { value: route }, shownRoute(route))),
    );
    this.count = el("p", { class: "fine", role: "status" });
    this.list = el("div", { class: "route-list" });
    this.element = el(
      "section",
      { class: "tables", "aria-labelledby": "listed" },
      el(
        "div",
        { class: "tables-head" },
        el("h2", { id: "listed" }, "Tables"),
        this.count,
        el("label", { class: "search" }, icon("search"), this.search),
        this.route,
      ),
      this.list,
    );
    this.render();
  }

  render() {
    const wanted = this.search.value.trim().toLowerCase();
    const kept = this.tables.filter(
      (t) => (!this.route.value || routeOf(t) === this.route.value) && (!wanted || matches(t, wanted)),
    );
    const groups = ORDER.map((route) => [route, kept.filter((t) => routeOf(t) === route)]).filter(([, g]) => g.length);
    this.list.replaceChildren(...groups.map(([route, group]) => this.group(route, group)));
    this.count.textContent =
      kept.length === this.tables.length ? `${kept.length}` : `${kept.length} of ${this.tables.length}`;
    if (!kept.length) this.list.replaceChildren(el("p", { class: "fine nothing" }, "No table matches."));
    this.onfilter(kept.length === this.tables.length ? null : new Set(kept.map((t) => t.table)));
  }

  group(route, group) {
    return el(
      "div",
      { class: "route-group" },
      el(
        "div",
        { class: "route-row route-names" },
        el("h3", {}, `${shownRoute(route)} `, el("span", { class: "fine" }, `${group.length}`)),
        el("span", {}, route === "open" || route === "excluded" ? "why" : "by"),
        ...this.columns.map((c) => el("span", { class: "n" }, c)),
      ),
      group.map((table) => this.row(table)),
    );
  }

  row(table) {
    const isOpen = table.table === this.open;
    const button = el(
      "button",
      {
        class: "route-row",
        type: "button",
        "aria-expanded": String(isOpen),
        onclick: () => this.select(isOpen ? null : table.table, { open: true }),
      },
      el("span", { class: `name rg-mark rg-mark-${look(table)}` }, table.table),
      el("span", { class: "by" }, by(table)),
      ...this.columns.map((c) =>
        el(
          "span",
          { class: `n${c === "quarantined" && table[c] ? " bad" : ""}`, "data-name": c },
          table[c] == null ? "–" : NUMBER.format(table[c]),
        ),
      ),
    );
    return el(
      "div",
      { class: "route-item", "data-table": table.table },
      button,
      isOpen ? details(table) : null,
    );
  }

  /** Opens one table, or none; `scroll`: brings it into view, without a search that hides it. */
  select(name, { scroll = false } = {}) {
    this.open = name;
    if (scroll && (this.search.value || this.route.value)) {
      this.search.value = "";
      this.route.value = "";
    }
    this.render();
    this.onselect(name);
    if (name === null) return;
    const item = this.list.querySelector(`[data-table="${CSS.escape(name)}"]`);
    if (scroll) item?.scrollIntoView({ block: "nearest" });
    item?.querySelector("button").focus({ preventScroll: true });
    announce(`${name} is open`);
  }
}

const look = (table) =>
  table.decision === "review" ? "open" : table.route === "shared: referenced" ? "referenced" : table.route;

function matches(table, wanted) {
  return [table.table, ...table.columns.map((c) => c.name), ...table.edges.map((e) => e.label)].some((text) =>
    text.toLowerCase().includes(wanted),
  );
}

function by(table) {
  if (table.review) return table.review;
  const own = table.edges.filter((edge) => edge.role === "owner" || edge.role === "joining");
  if (!own.length) return table.reason;
  return [...new Set(own.map((e) => (e.role === "joining" ? `${e.child}.` : "") + e.columns.join("+")))].join(" · ");
}

// ── one table ──

function details(table) {
  return el(
    "div",
    { class: "route-details" },
    table.path ? el("p", {}, el("span", { class: "fine" }, "Way "), table.path) : null,
    table.reasons && Object.keys(table.reasons).length ? el("p", {}, quarantine(table)) : null,
    Object.keys(table.rules).length ? el("p", {}, rules(table)) : null,
    table.options.length ? part("Write one of these under tables:", lines(table)) : null,
    ...["Relationships in use", "Relationships without a say"].map((title, i) => {
      const found = table.edges.filter((edge) => (edge.role === "idle") === Boolean(i));
      return found.length ? part(title, edges(found)) : null;
    }),
    table.pairs ? part("Do its relationships agree?", pairs(table.pairs)) : null,
    table.columns.length ? columns(table) : null,
  );
}

const part = (title, node) => el("section", {}, el("h4", {}, title), node);
const quarantine = (table) =>
  `In quarantine: ${Object.entries(table.reasons)
    .map(([reason, n]) => `${NUMBER.format(n)} ${reason.replaceAll("_", " ")}`)
    .join(", ")}.`;
const rules = (table) =>
  Object.entries(table.rules)
    .map(([name, value]) => `${name}: ${[value].flat().join(", ")}`)
    .join("; ");

function edges(found) {
  return el(
    "ul",
    { class: "edges" },
    found.map((edge) =>
      el(
        "li",
        {},
        el("code", {}, edge.label),
        el("span", { class: `badge ${edge.origin === "inferred" ? "wait" : ""}` }, edge.origin),
        edge.role === "owner" || edge.role === "idle" ? null : el("span", { class: "badge" }, edge.role),
        edge.actor ? el("span", { class: "badge" }, "says who acted") : null,
        edge.origin === "inferred" ? el("span", { class: "fine" }, `confidence ${edge.confidence.toFixed(2)}`) : null,
        edge.evidence ? el("p", { class: "fine" }, edge.evidence) : null,
      ),
    ),
  );
}

function pairs(found) {
  const alone = found.alone.filter((a) => a.via);
  const told = found.pairs.filter((p) => p.disagree || p.fault).sort((a, b) => b.disagree - a.disagree);
  const quiet = found.pairs.length - told.length;
  const outcomes = ["owned", "everybodys", "quarantined"].filter((o) => o !== "everybodys" || alone.some((a) => a[o]));
  return el(
    "div",
    {},
    grid(
      [`one via: alone, of ${NUMBER.format(found.rows)} rows`, ...outcomes.map((o) => o.replace("everybodys", "everybody's"))],
      alone.map((a) => [a.via, ...outcomes.map((o) => a[o])]),
    ),
    told.length
      ? grid(
          ["two by two", "agree", "disagree", "abstain", "fault", "keys where they disagree"],
          told.map((p) => [
            `${column(p.first)} / ${column(p.second)}`,
            p.agree,
            p.disagree,
            p.abstain,
            p.fault,
            p.examples.join("; "),
          ]),
        )
      : null,
    quiet ? el("p", { class: "fine" }, `${quiet} of ${found.pairs.length} pairs nowhere disagree, and none is a fault.`) : null,
  );
}

const column = (label) => label.split("->")[0].split(".").slice(1).join(".") || label;

function columns(table) {
  return el(
    "details",
    { open: table.columns.length <= 12 },
    el("summary", {}, `Columns (${table.columns.length})`),
    grid(
      ["column", "source", "in a slice", "treatment", "why"],
      table.columns.map((c) => [c.name, c.source_type, c.type, c.treatment, c.reason]),
    ),
  );
}

/** A small table; numbers stand right. */
function grid(head, rows) {
  const cell = (tag) => (value) =>
    typeof value === "number" ? el(tag, { class: "n" }, NUMBER.format(value)) : el(tag, {}, value);
  const numeric = (rows[0] ?? []).map((value) => typeof value === "number");
  return el(
    "div",
    { class: "scroll", tabindex: "0", role: "region", "aria-label": head[0] },
    el(
      "table",
      {},
      el(
        "thead",
        {},
        el(
          "tr",
          {},
          head.map((text, i) => el("th", { scope: "col", class: numeric[i] ? "n" : null }, text)),
        ),
      ),
      el(
        "tbody",
        {},
        rows.map((row) => el("tr", {}, row.map(cell("td")))),
      ),
    ),
  );
}
