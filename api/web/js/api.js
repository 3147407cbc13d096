/** The HTTP of the page: every call carries the key, every failure is a Problem (RFC 9457). */

const TITLES = {
  401: "This key is not accepted",
  403: "This key may not do that",
  404: "Not found",
  429: "Too many requests",
  503: "Not ready yet",
};

export class Problem extends Error {
  /** `body`: {title, detail, status, code, request_id}; `retryAfter`: seconds, or null. */
  constructor(body, retryAfter = null) {
    super(body.title);
    Object.assign(this, {
      title: body.title,
      detail: body.detail,
      status: body.status,
      code: body.code,
      request_id: body.request_id,
      retryAfter,
    });
  }
}

export class Api {
  /** `key`: sent as a bearer credential. `tenant`: an id, sent where the key's scope is wider than one tenant. */
  constructor(key, tenant = null) {
    this.key = key;
    this.tenant = tenant;
  }

  /** The same key, about one tenant. */
  for(tenant) {
    return new Api(this.key, tenant);
  }

  /** GET, or POST where there is a `body`. Returns the parsed JSON; raises Problem, or AbortError. */
  async json(path, { body, signal } = {}) {
    const response = await this.fetch(path, { body, signal, accept: "application/json" });
    try {
      return await response.json();
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new Problem({
        title: "The answer could not be read",
        detail: "The server sent something that is not JSON.",
        status: response.status,
      });
    }
  }

  /** Every entry of a list that comes in pages. */
  async all(path, options) {
    const entries = [];
    let cursor = null;
    do {
      const page = await this.json(cursor ? `${path}?cursor=${encodeURIComponent(cursor)}` : path, options);
      entries.push(...page.data);
      cursor = page.has_more ? page.next_cursor : null;
    } while (cursor);
    return entries;
  }

  /** Saves what `path` answers as a file. `onprogress` is given a fraction, or null where the size is unknown. */
  async save(path, fallbackName, onprogress = () => {}) {
    const response = await this.fetch(path, { accept: "*/*" });
    const blob = await collect(response, onprogress);
    const url = URL.createObjectURL(blob);
    const link = document.createElement("a");
    link.href = url;
    link.download = fileName(response.headers.get("Content-Disposition")) || fallbackName;
    link.click();
    setTimeout(() => URL.revokeObjectURL(url), 60000);
  }

  async fetch(path, { body, signal, accept }) {
    const headers = { Authorization: `Bearer ${this.key}`, Accept: accept };
    if (this.tenant) headers["X-Tenant-ID"] = encodeURIComponent(this.tenant);
    if (body) headers["Content-Type"] = "application/json";
    let response;
    try {
      response = await fetch(path, {
        method: body ? "POST" : "GET",
        headers,
        signal,
        credentials: "omit",
        body: body && JSON.stringify(body),
      });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new Problem({
        title: "No connection",
        detail: "The server did not answer. Check the connection and try again.",
        status: 0,
      });
    }
    if (!response.ok) throw await problemOf(response);
    return response;
  }
}

async function problemOf(response) {
  const title = TITLES[response.status] || `The server answered ${response.status}`;
  const wait = Number.parseInt(response.headers.get("Retry-After"), 10);
  let body = {};
  try {
    body = await response.json();
  } catch {
    // An answer of a proxy, not of the API: the status has to do.
  }
  return new Problem(
    { ...body, title: body.title || title, status: response.status },
    Number.isNaN(wait) ? null : wait,
  );
}

async function collect(response, onprogress) {
  const total = Number(response.headers.get("Content-Length"));
  const reader = response.body.getReader();
  const chunks = [];
  let received = 0;
  try {
    for (let step = await reader.read(); !step.done; step = await reader.read()) {
      chunks.push(step.value);
      received += step.value.length;
      onprogress(total ? Math.min(received / total, 1) : null);
    }
  } catch {
    throw new Problem({
      title: "The download broke off",
      detail: "The connection ended before the file was complete.",
      status: 0,
    });
  }
  return new Blob(chunks, { type: response.headers.get("Content-Type") || "application/octet-stream" });
}

function fileName(disposition) {
  const match = /filename\*=UTF-8''([^;]+)|filename="([^"]+)"|filename=([^;]+)/i.exec(disposition || "");
  if (!match) return null;
  return (match[1] ? decodeURIComponent(match[1]) : match[2] || match[3]).trim().replace(/[\\/]/g, "_");
}
