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
  const match = /#(?:.*&)?key=([^&]+)/.exec(text);
  return match ? decodeURIComponent(match[1]).trim() : null;
}

/** Moves a key from the address into the session. Returns whether there was one. */
export function takeKey() {
  const key = keyIn(location.hash);
  if (!key) return false;
  keys.set(key);
  history.replaceState(null, "", location.pathname + location.search);
  return true;
}
