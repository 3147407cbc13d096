/** A tenant's dashboards: tabs, freshness, parameters, the grid of panels, the slice and its file. */
import { announce, el, errorBlock, icon, markdown } from "./dom.js";
import { parameterControls } from "./controls.js";
import { ago, dateTime } from "./format.js";
import { Panel } from "./panels.js";
import { requestParameters, requestQuery, writeParameters } from "./parameters.js";
import { fileButton, sliceDetails } from "./slice.js";
import { stateBadge } from "./tenants.js";

const MOST_ROWS = 1000000;
const AT_ONCE = 4;

export class DashboardView {
  /**
   * `api`: bound to the tenant. `tenant`: {name, key, state} as far as known. `routes`: {dashboard(slug, query)} gives
   * an address.
   * `mayExportSlice`: whether the key can take the file. `onproblem(problem)`: told of every failure; true means it
   * has dealt with it. `onbranding(branding)`: told what the tenant's dashboards look like. `back`: the address of the list, or null.
   */
  constructor({ api, tenant, routes, mayExportSlice, back, onproblem, onbranding = () => {} }) {
    Object.assign(this, {
      api,
      tenant,
      routes,
      onproblem,
      onbranding,
      panels: new Map(),
      colours: new Map(),
      state: {},
      slug: null,
      asked: new AbortController(),
    });
    this.title = el("h1", { tabindex: "-1" });
    this.meta = el("div", { class: "tenant-meta" });
    this.tabs = el("nav", { class: "tabs", "aria-label": "Dashboards", hidden: true });
    this.content = el("div", { class: "dashboard" });
    this.fresh = el("time", { class: "fresh" });
    this.trouble = el("div", { class: "trouble", hidden: true });
    this.element = el(
      "div",
      { class: "view" },
      el(
        "header",
        { class: "tenant-head" },
        el(
          "div",
          { class: "tenant-title" },
          back ? el("a", { class: "back", href: back }, icon("back"), "Tenants") : null,
          this.title,
          this.meta,
        ),
        el(
          "div",
          { class: "actions" },
          sliceDetails(api, this.asked.signal, onproblem),
          fileButton(api, mayExportSlice, onproblem),
        ),
      ),
      this.tabs,
      this.content,
    );
    this.name(tenant);
    this.clock = setInterval(() => this.tick(), 30000);
    this.alive = true;
  }

  /** Draws again what is known, in the colours of now. */
  repaint() {
    this.panels.forEach((panel) => panel.redraw());
  }

  destroy() {
    this.alive = false;
    clearInterval(this.clock);
    this.asked.abort();
    this.asking?.abort();
    this.panels.forEach((panel) => panel.destroy());
  }

  /** Shows what is known of the tenant. */
  name(tenant) {
    this.tenant = tenant;
    this.title.textContent = tenant.name || tenant.key || "Dashboard";
    this.title.title = this.title.textContent;
    this.retitle();
    this.meta.replaceChildren(
      ...[
        tenant.key && tenant.key !== tenant.name ? el("span", { class: "key", title: tenant.key }, `Key ${tenant.key}`) : null,
        tenant.state && tenant.state !== "active" ? stateBadge(tenant.state) : null,
      ].filter(Boolean),
    );
  }

  /** Opens a dashboard, or the first. `read(definitions)` gives the parameters' state in the address. */
  async open(slug, read) {
    this.content.replaceChildren(pageSkeleton());
    try {
      this.list ||= await this.api.all("/v1/dashboards", { signal: this.asked.signal });
      this.slug = slug || this.list[0]?.slug;
      if (!this.slug)
        return this.content.replaceChildren(
          el(
            "div",
            { class: "state empty page" },
            icon("empty"),
            el("strong", {}, "No dashboards yet"),
            el("p", {}, "This tenant has no dashboard. One defined for the workspace appears here."),
          ),
        );
      this.renderTabs();
      this.definition = await this.api.json(`/v1/dashboards/${encodeURIComponent(this.slug)}`, {
        signal: this.asked.signal,
      });
      this.definition.parameters ||= {};
      if (this.alive) this.onbranding(this.definition.branding);
      this.build(read(this.definition.parameters));
      await this.query();
    } catch (problem) {
      this.fail(problem, () => this.open(slug, read));
    }
  }

  fail(problem, retry) {
    if (problem.name === "AbortError" || !this.alive || this.onproblem(problem)) return;
    this.content.replaceChildren(el("div", { class: "page" }, errorBlock(problem, retry)));
  }

  renderTabs() {
    this.tabs.hidden = this.list.length < 2;
    this.tabs.replaceChildren(
      ...this.list.map(({ slug, title }) =>
        el(
          "a",
          { href: this.routes.dashboard(slug), title, "aria-current": slug === this.slug && "page" },
          title || slug,
        ),
      ),
    );
  }

  build(state) {
    const { title, description, parameters, tiles = [], panels = {}, as_of: asOf } = this.definition;
    this.state = state;
    this.panels.forEach((panel) => panel.destroy());
    this.panels.clear();
    const names = Object.keys(parameters);
    this.controls = names.length ? parameterControls(parameters, asOf, (next) => this.changed(next)) : null;
    this.controls?.show(state);
    const context = {
      memories: (column) => this.memory(column),
      retry: (slug) => this.query([slug]),
      save: (...what) => this.savePanel(...what),
      emptyText: Object.values(parameters).some(({ type }) => type === "date_range")
        ? "No data in this period"
        : "No data",
    };
    const nodes = [...tiles]
      .sort((a, b) => a.y - b.y || a.x - b.x)
      .map((tile) => this.tile(tile, panels, context))
      .filter(Boolean);
    const reload = el(
      "button",
      {
        class: "quiet icon-only",
        type: "button",
        "aria-label": "Ask again",
        title: "Ask again",
        onclick: () => this.query(),
      },
      icon("reload"),
    );
    this.content.replaceChildren(
      el(
        "div",
        { class: "dashboard-head" },
        el(
          "div",
          {},
          el("h2", {}, title || this.slug),
          description ? el("p", { class: "description" }, description) : null,
        ),
        el("div", { class: "freshness" }, this.fresh, reload),
      ),
      this.controls?.element ?? "",
      this.trouble,
      el("div", { class: "grid" }, ...nodes),
    );
    this.freshness(asOf);
    this.retitle();
  }

  retitle() {
    if (this.definition) document.title = `${this.definition.title || this.slug} · ${this.title.textContent}`;
  }

  memory(column) {
    if (!this.colours.has(column)) this.colours.set(column, new Map());
    return this.colours.get(column);
  }

  tile(tile, definitions, context) {
    let node = null;
    if (tile.markdown != null) node = el("div", { class: "tile text" }, ...markdown(tile.markdown));
    else if (definitions[tile.panel]) {
      const panel = new Panel(tile.panel, definitions[tile.panel], context);
      this.panels.set(tile.panel, panel);
      node = panel.element;
    }
    if (node) place(node, tile);
    return node;
  }

  /** The address changed under the same dashboard: its parameters go to the controls and are asked. */
  show(state) {
    if (JSON.stringify(state) === JSON.stringify(this.state)) return;
    this.state = state;
    this.controls?.show(state);
    this.query();
  }

  changed(state) {
    this.state = state;
    location.hash = this.routes.dashboard(this.slug, writeParameters(state));
    this.query();
  }

  get asOf() {
    return this.definition.as_of;
  }

  /**
   * Asks for all panels, or for those named, a few at a time: a slow one holds up nobody else. A newer question ends an
   * older one.
   */
  async query(slugs = null) {
    const wanted = slugs || [...this.panels.keys()];
    if (!wanted.length) return;
    if (!slugs || this.asking.signal.aborted) {
      this.asking?.abort();
      this.asking = new AbortController();
    }
    const { signal } = this.asking;
    this.trouble.hidden = true;
    wanted.forEach((slug) => this.panels.get(slug).loading());
    const waiting = [...wanted];
    const answers = {};
    const next = async () => {
      for (let slug = waiting.shift(); slug; slug = waiting.shift())
        answers[slug] = await this.ask(slug, this.state, signal);
    };
    try {
      await Promise.all(Array.from({ length: AT_ONCE }, next));
      this.answered(wanted, answers);
    } catch (problem) {
      if (problem.name === "AbortError" || !this.alive || this.onproblem(problem)) return;
      waiting.length = 0;
      this.unanswered(wanted, answers, problem);
    }
  }

  /** Asks for one panel and shows it. Raises a Problem that is about more than this panel. */
  async ask(slug, state, signal) {
    const body = { parameters: requestParameters(this.definition.parameters, state, this.asOf), panels: [slug] };
    const found = await this.api.json(`/v1/dashboards/${encodeURIComponent(this.slug)}/data`, { body, signal });
    const answer = found.panels?.[slug] || {
      problem: { title: "No answer", detail: "The server left this panel out." },
    };
    if (!signal.aborted) this.panels.get(slug)?.show(answer);
    return answer;
  }

  answered(wanted, answers) {
    const good = wanted.map((slug) => answers[slug]).filter((one) => one.meta?.as_of);
    if (good.length) this.freshness(good.map((one) => one.meta.as_of).sort()[0]);
    const failed = wanted.filter((slug) => answers[slug].problem).length;
    announce(failed ? `${failed} of ${wanted.length} panels could not be answered` : "The dashboard is up to date");
  }

  /** Says once what keeps the panels from being answered. */
  unanswered(wanted, answers, problem) {
    this.asking.abort();
    wanted.filter((slug) => !answers[slug]).forEach((slug) => this.panels.get(slug)?.show({ missing: true }));
    this.trouble.replaceChildren(errorBlock(problem, () => this.query()));
    this.trouble.hidden = false;
  }

  freshness(asOf) {
    if (!asOf) return;
    this.fresh.dateTime = asOf;
    this.fresh.title = asOf;
    this.tick();
  }

  tick() {
    if (this.fresh.dateTime)
      this.fresh.textContent = `As of ${dateTime(this.fresh.dateTime)} · ${ago(Date.parse(this.fresh.dateTime))}`;
  }

  savePanel(slug, format, truncated) {
    const query = requestQuery(this.definition.parameters, this.state, this.asOf);
    query.set("format", format);
    if (truncated) query.set("limit", MOST_ROWS);
    const path = `/v1/dashboards/${encodeURIComponent(this.slug)}/panels/${encodeURIComponent(slug)}?${query}`;
    return this.api.save(path, `${this.slug}-${slug}.${format}`);
  }
}

/** A tile's place in the grid of twelve columns. */
function place(node, { x = 0, y = 0, w = 12, h = 3 }) {
  const column = Math.min(Math.max(x, 0), 11);
  node.style.setProperty("--column", `${column + 1} / span ${Math.min(Math.max(w, 1), 12 - column)}`);
  node.style.setProperty("--row", `${Math.max(y, 0) + 1} / span ${Math.max(h, 1)}`);
}

function pageSkeleton() {
  return el(
    "div",
    { class: "grid", "aria-hidden": "true" },
    ...[3, 3, 3, 3, 8, 4, 6, 6].map((w, index) => {
      const tile = el("div", { class: "tile skeleton-tile" });
      place(tile, {
        x: index < 4 ? index * 3 : [0, 8, 0, 6][index - 4],
        y: index < 4 ? 0 : index < 6 ? 2 : 6,
        w,
        h: index < 4 ? 2 : 4,
      });
      return tile;
    }),
  );
}
