// Several pages of one mechanic: what was seen in one is seen in all, and only one of them rings.
// They tell each other; nothing is kept in the browser.

const others = typeof BroadcastChannel === "undefined" ? null : new BroadcastChannel("headstart-offers");
const listeners = [];
const known = new Map(); // by session request: { seen, quietUntil }

function know(id, what) {
  known.set(id, { seen: false, quietUntil: 0, ...known.get(id), ...what });
}

function tell(id, what) {
  know(id, what);
  others?.postMessage([[id, known.get(id)]]);
}

if (others) {
  others.onmessage = ({ data }) => {
    if (data === "what do you know?") others.postMessage([...known]);
    else for (const [id, what] of data) know(id, what);
    for (const listener of listeners) listener();
  };
  others.postMessage("what do you know?");
}

export const onOtherPage = (listener) => listeners.push(listener);
export const isSeen = (id) => known.get(id)?.seen ?? false;
export const quietUntil = (id) => known.get(id)?.quietUntil ?? 0;
export const see = (id) => isSeen(id) || tell(id, { seen: true });
export const quiet = (id, until) => tell(id, { seen: true, quietUntil: until });
export const wake = (id) => know(id, { seen: false, quietUntil: 0 }); // every page knows the time
export const forget = (id) => known.delete(id);

// A turn that one page has and the others wait for. Where there are no locks, every page has it.
export function turn(name) {
  let letGo = null;
  let asked = null;
  return {
    get isMine() {
      return !navigator.locks || letGo !== null;
    },
    ask() {
      if (asked || !navigator.locks) return;
      asked = new AbortController();
      const held = () => new Promise((resolve) => (letGo = resolve));
      navigator.locks.request(name, { signal: asked.signal }, held).catch(() => {});
    },
    pass() {
      asked?.abort();
      letGo?.();
      [asked, letGo] = [null, null];
    },
  };
}
