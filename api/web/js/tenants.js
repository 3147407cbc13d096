/** The list of a workspace's tenants: pages by cursor, a search over what is loaded that loads on while it looks. */
import { announce, el, errorBlock, icon } from "./dom.js";
import { ago, bytes, dateTime, number } from "./format.js";

const PAGE = 100;
const PAGES_IN_A_SEARCH = 50;
const PAGES_AT_FIRST = 10;
const SHOWN_AT_ONCE = 300;
const ALPHABET = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });

export class TenantList {
  /**
   * `api`: without a tenant. `workspace`: its id. `href(tenant)`: where a row leads. `onunauthorized(problem)`:
   * called on 401.
   */
  constructor(api, workspace, href, onunauthorized) {
    Object.assign(this, {
      api,
      workspace,
      href,
      onunauthorized,
      tenants: [],
      cursor: null,
      complete: false,
      current: null,
      limit: SHOWN_AT_ONCE,
    });
    this.search = el("input", {
      type: "search",
      placeholder: "Search name or key",
      "aria-label": "Search tenants",
      autocomplete: "off",
      spellcheck: "false",
    });
    this.search.addEventListener("input", () => {
      this.limit = SHOWN_AT_ONCE;
      this.render();
      this.lookOn();
    });
    this.heading = el("h2", {}, "Tenants");
    this.count = el("p", { class: "fine", role: "status" });
    this.rows = el("ul", { class: "tenants" });
    this.foot = el("div", { class: "side-foot" });
    this.element = el(
      "div",
      { class: "side-inner" },
      el(
        "div",
        { class: "side-head" },
        this.heading,
        this.count,
        el("label", { class: "search" }, icon("search"), this.search),
      ),
      el(
        "div",
        { class: "tenant columns", "aria-hidden": "true" },
        ...["Name", "Key", "Rows", "Size", "State", "As of"].map((name) => el("span", {}, name)),
      ),
      this.rows,
      this.foot,
    );
    this.skeleton();
  }

  skeleton() {
    this.rows.replaceChildren(
      ...Array.from({ length: 8 }, () => el("li", { class: "skeleton of-row", "aria-hidden": "true" }, el("i"))),
    );
  }

  /** The first pages: a workspace of usual size is then whole, and in order of names. */
  async open() {
    for (let pages = 0; pages < PAGES_AT_FIRST && !this.complete && !this.problem; pages += 1) await this.load();
  }

  /** The next page. Calls at the same time share one request. */
  async load() {
    if (this.complete) return;
    this.pending ||= this.fetchPage().finally(() => {
      this.pending = null;
    });
    await this.pending;
  }

  async fetchPage() {
    const query = new URLSearchParams({ limit: PAGE, ...(this.cursor && { cursor: this.cursor }) });
    try {
      const page = await this.api.json(`/v1/workspaces/${encodeURIComponent(this.workspace)}/tenants?${query}`);
      this.tenants.push(...page.data);
      this.tenants.sort((a, b) => ALPHABET.compare(shownName(a), shownName(b)));
      this.cursor = page.next_cursor;
      this.complete = !page.has_more || !page.next_cursor;
      this.problem = null;
    } catch (problem) {
      this.problem = problem;
      if (problem.status === 401) this.onunauthorized(problem);
    }
    this.render();
  }

  /** The tenant of this id, loading on until it is found; null where the list ends without it. */
  async find(id) {
    for (let pages = 0; pages < PAGES_IN_A_SEARCH; pages += 1) {
      const found = this.tenants.find((tenant) => tenant.id === id);
      if (found || this.complete || this.problem) return found || null;
      await this.load();
    }
    return null;
  }

  /** Marks the row of the tenant that is shown; without one the list is the page and its heading the first. */
  select(id) {
    this.heading.setAttribute("aria-level", id ? "2" : "1");
    this.current = id;
    for (const link of this.rows.querySelectorAll("a")) link.toggleAttribute("aria-current", link.dataset.id === id);
    this.rows.querySelector("a[aria-current]")?.scrollIntoView({ block: "nearest" });
  }

  matches() {
    const wanted = this.search.value.trim().toLowerCase();
    if (!wanted) return this.tenants;
    return this.tenants.filter((tenant) =>
      [tenant.name, tenant.key, tenant.slug, tenant.id].some((text) =>
        String(text ?? "")
          .toLowerCase()
          .includes(wanted),
      ),
    );
  }

  /** While a search has few results and there are more pages, loads them. */
  async lookOn() {
    const wanted = this.search.value;
    for (let pages = 0; wanted.trim() && pages < PAGES_IN_A_SEARCH; pages += 1) {
      if (this.search.value !== wanted || this.complete || this.problem || this.matches().length >= SHOWN_AT_ONCE)
        break;
      await this.load();
    }
    if (wanted.trim() && this.search.value === wanted) announce(`${this.matches().length} tenants found`);
  }

  render() {
    const matches = this.matches();
    const searching = Boolean(this.search.value.trim());
    this.rows.replaceChildren(...matches.slice(0, this.limit).map((tenant) => this.row(tenant)));
    const loaded = `${number(this.tenants.length, "integer")}${this.complete ? "" : "+"}`;
    this.count.textContent = searching ? `${number(matches.length, "integer")} of ${loaded}` : loaded;
    this.foot.replaceChildren(...this.footer(matches, searching));
  }

  footer(matches, searching) {
    if (this.problem)
      return [
        errorBlock(this.problem, () => {
          this.problem = null;
          this.load();
        }),
      ];
    const button = (text, onclick) => el("button", { type: "button", class: "more", onclick }, text);
    if (matches.length > this.limit)
      return [
        button("Show more", () => {
          this.limit += SHOWN_AT_ONCE;
          this.render();
        }),
      ];
    if (!this.complete)
      return [button(searching ? "Search further" : "Load more", () => (searching ? this.lookOn() : this.load()))];
    if (matches.length) return [];
    return [
      el(
        "p",
        { class: "nothing" },
        searching ? "No tenant matches." : "This workspace has no tenants yet. They appear with the first refresh.",
      ),
    ];
  }

  row(tenant) {
    const name = shownName(tenant);
    const rows = tenant.rows == null ? "–" : number(String(tenant.rows), "integer");
    const at = tenant.as_of ? Date.parse(tenant.as_of) : null;
    const link = el(
      "a",
      { class: "tenant", href: this.href(tenant), "data-id": tenant.id, "aria-current": tenant.id === this.current },
      el("span", { class: "name", title: name }, name),
      el("span", { class: "key", title: `Key ${tenant.key}` }, tenant.key),
      el("span", { class: "rows" }, rows, tenant.rows == null ? null : el("span", { class: "unit" }, " rows")),
      el("span", { class: "size" }, tenant.bytes == null ? "–" : bytes(tenant.bytes)),
      el("span", { class: "state-cell" }, stateBadge(tenant.state)),
      el("span", { class: "when", title: tenant.as_of ? dateTime(tenant.as_of) : null }, at ? ago(at) : "–"),
    );
    return el("li", {}, link);
  }
}

const shownName = (tenant) => tenant.name || tenant.slug || tenant.key;

/** A tenant's state as a small mark, in its own word. */
export function stateBadge(state) {
  const tone =
    { active: "good", expected: "wait", building: "wait", withheld: "bad", suspended: "bad" }[state] || "off";
  return el("span", { class: `badge ${tone}` }, state || "unknown");
}
