/** The page: takes the key out of the address, asks who it is, and shows what the address names. */
import { Api } from "./js/api.js";
import { brandName, wear, wearByHost } from "./js/brand.js";
import { DashboardView } from "./js/dashboard.js";
import { el, errorBlock } from "./js/dom.js";
import { keyIn, keys, takeKey, takeSession } from "./js/key.js";
import { onThemeChange } from "./js/look.js";
import { readParameters } from "./js/parameters.js";
import { askForKey, showBar } from "./js/shell.js";
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

/** Whether the page stands within a page of the customer's own: it has a token of one tenant, no bar, and asks for no key. */
const embedded = location.pathname.startsWith("/embed/");
let token = null;
if (embedded) document.body.dataset.embedded = "";

/** The token of the embed session that the address names; the one before, where it names none. */
async function tokenOf() {
  const session = takeSession();
  if (session) token = (await new Api(null).json("/v1/embed/token", { body: { session } })).token;
  return token;
}

function ended() {
  const problem = {
    title: "This dashboard has ended",
    detail: "What it was opened with is used up or too old. Load the page again.",
  };
  byId("main").replaceChildren(el("div", { class: "page" }, errorBlock(problem)));
}

async function start() {
  if (!embedded) takeKey();
  reset();
  const key = embedded ? await tokenOf().catch(() => null) : keys.get();
  if (!key) {
    if (embedded) return ended();
    await wearByHost();
    document.title = brandName();
    return keyWanted();
  }
  page.api = new Api(key);
  byId("main").replaceChildren(el("p", { class: "page fine" }, "Loading…"));
  try {
    page.me = await page.api.json("/v1/me");
  } catch (problem) {
    if (!refused(problem)) byId("main").replaceChildren(el("div", { class: "page" }, errorBlock(problem, start)));
    return;
  }
  wear(page.me.branding);
  document.title = brandName();
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
  document.title = brandName();
  header();
}

function header() {
  if (embedded) return (byId("top").hidden = true);
  const { scope, permissions } = page.me || {};
  const routes = scope?.type === "workspace" && permissions.includes("routes:view");
  showBar(page.me, {
    home: "#/",
    links: routes ? [["Routes", "/console/routes"]] : [],
    onleave: () => {
      history.replaceState(null, "", location.pathname);
      start();
    },
  });
}

/** Deals with a key that is not accepted: the form, and why. */
function refused(problem) {
  if (problem.status !== 401 && !(problem.status === 403 && !page.me)) return false;
  if (!embedded) keys.drop();
  reset();
  if (embedded) ended();
  else keyWanted(problem);
  return true;
}

function keyWanted(problem = null) {
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
  askForKey({
    title: "Open your dashboards",
    help: "Paste the access key you were given. It stays in this browser tab and is forgotten when you close it.",
    why,
    onkey: start,
  });
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
    onbranding: (branding) => wear(branding, page.me.branding),
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
  wear(page.me.branding);
  document.title = `Tenants · ${brandName()}`;
  page.list.select(null);
}

onThemeChange(() => page.view?.repaint());
window.addEventListener("hashchange", () => (keyIn(location.hash) || location.hash.includes("session=") ? start() : render()));
start();
