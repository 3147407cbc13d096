/** The key of this tab: from the address's fragment into the session, or into memory where storage is off. */

const STORED = "slicehouse.key";
let memory = null;

export const keys = {
  get: () => {
    try {
      return sessionStorage.getItem(STORED);
    } catch {
      return memory;
    }
  },
  set: (key) => {
    memory = key;
    try {
      sessionStorage.setItem(STORED, key);
    } catch {
      /* Storage is off: the key lives as long as the page. */
    }
  },
  drop: () => {
    memory = null;
    try {
      sessionStorage.removeItem(STORED);
    } catch {
      /* As above. */
    }
  },
};

/** The key of an address's fragment, or of a pasted address; null where there is none. */
export function keyIn(text) {
  return named(text, "key");
}

/** What a fragment says of a name; null where it says nothing that can be read. */
function named(text, name) {
  const match = new RegExp(`#(?:.*&)?${name}=([^&]+)`).exec(text);
  try {
    return match ? decodeURIComponent(match[1]).trim() : null;
  } catch {
    return null;
  }
}

/** The embed session of the address's fragment, taken out of it; null where there is none. */
export function takeSession() {
  const session = named(location.hash, "session");
  if (session) history.replaceState(null, "", location.pathname + location.search);
  return session;
}

/** Moves a key from the address into the session. Returns whether there was one. */
export function takeKey() {
  const key = keyIn(location.hash);
  if (!key) return false;
  keys.set(key);
  history.replaceState(null, "", location.pathname + location.search);
  return true;
}
