// Screen readers hear what a glance would see. News that come together are all heard.

const KEPT_MS = 10_000;

function say(id, words) {
  const line = Object.assign(document.createElement("span"), { textContent: words });
  document.getElementById(id).append(line);
  setTimeout(() => line.remove(), KEPT_MS);
}

export const announce = (words) => say("announcer", words);
export const alarm = (words) => say("alarm", words);
