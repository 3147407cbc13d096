/** The page: takes the key out of the address, asks who it is, and shows what the address names. */
import { Api } from "./js/api.js";
import { DashboardView } from "./js/dashboard.js";
import { el, errorBlock, icon } from "./js/dom.js";
import { keyIn, keys, takeKey } from "./js/key.js";
import { onThemeChange } from "./js/look.js";
import { readParameters } from "./js/parameters.js";
import { TenantList } from "./js/tenants.js";

const byId = (id) => document.getElementById(id);
const page = { api: null, me: null, list: null, view: null, tenant: null };

/** {tenant, dashboard, query} of the address `#/t/tn_…/d/overview?period=…`. */
function route() {
  const [path, query = ""] = location.hash.slice(1).split("?", 2);
  const match = /^(?:\/t\/([^/]+))?(?:\/d\/([^/]+))?\/?$/.exec(path) || [];
  const text = (part) => (part ? safeDecode(part) : null);
  return { tenant: text(match[1]), dashboard: text(match[2]), query: new URLSearchParams(query) };
}

function safeDecode(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** The hash of a tenant's dashboard; without a tenant the dashboard of the key's own, or the start. */
function address(tenant, slug, query = "") {
  const parts = [tenant && `/t/${encodeURIComponent(tenant)}`, slug && `/d/${encodeURIComponent(slug)}`].filter(
    Boolean,
  );
  return `#${parts.join("") || "/"}${query}`;
}

async function start() {
  takeKey();
  reset();
  const key = keys.get();
  if (!key) return askForKey();
  page.api = new Api(key);
  byId("main").replaceChildren(el("p", { class: "page fine" }, "Loading…"));
  try {
    page.me = await page.api.json("/v1/me");
  } catch (problem) {
    if (!refused(problem)) byId("main").replaceChildren(el("div", { class: "page" }, errorBlock(problem, start)));
    return;
  }
  header();
  if (page.me.scope.type !== "tenant") await showTenants();
  else render();
}

function reset() {
  page.view?.destroy();
  Object.assign(page, { api: null, me: null, list: null, view: null, tenant: null });
  byId("side").replaceChildren();
  byId("side").hidden = true;
  byId("main").replaceChildren();
  document.body.dataset.view = "start";
  document.title = "Slicehouse";
  header();
}

function header() {
  const workspace = page.me?.scope.workspace?.name || page.me?.scope.workspace?.slug;
  const brand = el(
    "a",
    { class: "brand", href: "#/", title: workspace || null },
    el("img", { src: "/static/favicon.svg", alt: "", width: "28", height: "28" }),
    el("span", {}, workspace || "Slicehouse"),
  );
  const leave = el(
    "button",
    {
      class: "quiet",
      type: "button",
      title: "Forget the key in this tab",
      onclick: () => {
        keys.drop();
        history.replaceState(null, "", location.pathname);
        start();
      },
    },
    icon("leave"),
    el("span", {}, "Sign out"),
  );
  byId("top").replaceChildren(
    brand,
    ...(page.me
      ? [
          el(
            "div",
            { class: "who" },
            page.me.principal.label
              ? el("span", { class: "fine", title: "The key's label" }, page.me.principal.label)
              : null,
            leave,
          ),
        ]
      : []),
  );
}

/** Deals with a key that is not accepted: the form, and why. */
function refused(problem) {
  if (problem.status !== 401 && !(problem.status === 403 && !page.me)) return false;
  keys.drop();
  reset();
  askForKey(problem);
  return true;
}

function askForKey(problem = null) {
  const why =
    problem &&
    (problem.status === 401
      ? {
          title: "This key is not accepted",
          detail: "It may be mistyped, expired or revoked. Paste another one, or ask whoever gave it to you.",
        }
      : {
          title: "This key lacks the right to see this",
          detail: problem.detail || "Ask for a key that may view dashboards.",
        });
  const input = el("input", {
    id: "key",
    name: "key",
    type: "password",
    autocomplete: "off",
    spellcheck: "false",
    required: true,
    placeholder: "shk_…",
    "aria-describedby": "key-help key-error",
  });
  const error = el(
    "div",
    { id: "key-error", role: "alert" },
    ...(why
      ? [
          el(
            "div",
            { class: "notice" },
            icon("alert"),
            el("div", {}, el("strong", {}, why.title), el("p", {}, why.detail)),
          ),
        ]
      : []),
  );
  const submit = (event) => {
    event.preventDefault();
    const key = keyIn(input.value) || input.value.trim();
    if (!/^[\x21-\x7e]+$/.test(key)) {
      error.replaceChildren(
        el(
          "div",
          { class: "notice" },
          icon("alert"),
          el(
            "div",
            {},
            el("strong", {}, "This does not look like a key"),
            el("p", {}, "A key is one word that begins with shk_."),
          ),
        ),
      );
      return input.focus();
    }
    keys.set(key);
    start();
  };
  byId("main").replaceChildren(
    el(
      "form",
      { class: "key-form", onsubmit: submit },
      el("span", { class: "key-mark", "aria-hidden": "true" }, icon("key")),
      el("h1", {}, "Open your dashboards"),
      el(
        "p",
        { id: "key-help" },
        "Paste the access key you were given. It stays in this browser tab and is forgotten when you close it.",
      ),
      error,
      el("label", { for: "key" }, "Access key"),
      input,
      el("button", { class: "primary", type: "submit" }, "Continue"),
    ),
  );
  input.focus();
}

async function showTenants() {
  const { workspace } = page.me.scope;
  if (!workspace) {
    const problem = {
      title: "This key spans workspaces",
      detail: "This page shows one workspace. Open it with a key of a workspace or of a tenant.",
    };
    return byId("main").replaceChildren(el("div", { class: "page" }, errorBlock(problem)));
  }
  page.list = new TenantList(page.api, workspace.id, (tenant) => address(tenant.id), refused);
  render();
  await page.list.open();
}

/** Shows what the address names; an address that differs only in parameters goes to the view that is there. */
function render() {
  if (!page.me) return;
  const wanted = route();
  if (page.me.scope.type === "tenant") wanted.tenant = null;
  else if (!wanted.tenant) return showHome();
  const same = page.view && page.tenant === wanted.tenant;
  if (same && page.view.definition && (wanted.dashboard || page.view.list[0].slug) === page.view.slug) {
    return page.view.show(readParameters(page.view.definition.parameters, wanted.query));
  }
  const moved = Boolean(page.view) || document.body.dataset.view === "home";
  page.view?.destroy();
  page.tenant = wanted.tenant;
  page.view = viewOf(wanted.tenant, same ? page.view : null);
  document.body.dataset.view = page.list ? "tenant" : "alone";
  if (page.list) byId("side").replaceChildren(page.list.element);
  byId("side").hidden = !page.list;
  byId("main").replaceChildren(page.view.element);
  page.list?.select(wanted.tenant);
  window.scrollTo(0, 0);
  if (moved) page.view.title.focus({ preventScroll: true });
  page.view.open(wanted.dashboard, (definitions) => readParameters(definitions, wanted.query));
}

function viewOf(id, before) {
  const known = id ? page.list.tenants.find((tenant) => tenant.id === id) : page.me.tenant;
  const { permissions } = page.me;
  const view = new DashboardView({
    api: page.api.for(id),
    tenant: known || before?.tenant || { name: id },
    routes: { dashboard: (slug, query) => address(id, slug, query) },
    mayExportSlice: !Array.isArray(permissions) || permissions.includes("export:slice"),
    back: id ? "#/" : null,
    onproblem: refused,
  });
  if (before) view.list = before.list;
  if (id && !known)
    page.list.find(id).then((tenant) => tenant && page.view === view && (view.name(tenant), page.list.select(id)));
  return view;
}

function showHome() {
  page.view?.destroy();
  page.view = null;
  page.tenant = null;
  byId("side").hidden = true;
  byId("main").replaceChildren(page.list.element);
  document.body.dataset.view = "home";
  document.title = `Tenants · ${page.me.scope.workspace.name || "Slicehouse"}`;
  page.list.select(null);
}

byId("skip").addEventListener("click", (event) => {
  event.preventDefault();
  byId("main").focus();
});
onThemeChange(() => page.view?.repaint());
window.addEventListener("hashchange", () => (keyIn(location.hash) ? start() : render()));
start();
