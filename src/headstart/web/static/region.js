// The page, rendered by the server, is the snapshot; this keeps its live part equal to it.

import { announce } from "./announce.js";
import { heard } from "./clock.js";

const TIME = { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" };
const MOMENT = { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23" };

const listeners = [];
let printed = "";
let running = null;
let again = false;
let generation = 0;

export const region = () => document.getElementById("live");
export const onSwap = (listener) => listeners.push(listener);

// The next answer counts, even if it is the last one again; one that was asked for before does not.
export function changedHere() {
  printed = "";
  generation += 1;
}

export function localise(place) {
  for (const one of place.querySelectorAll("time[data-at]")) {
    one.textContent = new Date(one.dateTime).toLocaleString([], one.dataset.at === "time" ? TIME : MOMENT);
  }
}

// Fetch the page again and show what it says. One at a time; a wish meanwhile means once more, also
// when the first one fails: whoever wished knew something newer.
export function refresh() {
  again = running !== null;
  const onceMore = () => (again ? refresh() : undefined);
  const failed = (error) => onceMore() ?? Promise.reject(error);
  running ??= load().finally(() => (running = null)).then(onceMore, failed);
  return running;
}

async function load() {
  const asked = generation;
  const answer = await fetch(location.pathname + location.search, { headers: { Accept: "text/html" } });
  if (!answer.ok) throw Object.assign(new Error("no page"), { status: answer.status });
  const text = await answer.text();
  if (asked === generation) swap(text);
  else again = true;
}

function swap(text, handled = null) {
  const page = new DOMParser().parseFromString(text, "text/html");
  const [old, fresh] = [region(), page.getElementById("live")];
  if (!fresh) return location.reload();
  heard(fresh.dataset.serverNow);
  if (print(fresh) === printed) return age(old, fresh), page;
  const focused = old.contains(document.activeElement) ? document.activeElement : null;
  for (const one of old.querySelectorAll("details[open]")) {
    fresh.querySelector(`#${one.id}`)?.setAttribute("open", "");
  }
  printed = print(fresh);
  localise(fresh);
  keep(old, fresh);
  old.replaceWith(fresh);
  for (const listener of listeners) listener(old, handled);
  if (focused !== null) (sameIn(fresh, focused) ?? document.getElementById("main")).focus();
  const [was, is] = [old, fresh].map((one) => one.querySelector("[data-headline]")?.textContent);
  if (is && is !== was) announce(is);
  return page;
}

// Whoever goes from link to link is not sent back to the top by every piece of news.
function sameIn(fresh, focused) {
  if (focused.id) return document.getElementById(focused.id);
  const address = focused.getAttribute("href");
  return address && fresh.querySelector(`a[href="${CSS.escape(address)}"]`);
}

// What somebody has begun to fill in stays.
function keep(old, fresh) {
  for (const field of old.querySelectorAll("input[id], textarea[id], select[id]")) {
    const same = fresh.querySelector(`#${CSS.escape(field.id)}`);
    if (same?.type !== field.type) continue;
    if (field.checked !== field.defaultChecked) same.checked = field.checked;
    if (field.value !== field.defaultValue) same.value = field.value;
  }
}

// Nothing new: a button that is just being pressed must not be replaced.
function age(old, fresh) {
  localise(fresh);
  fresh.querySelectorAll("[data-now]").forEach((one, index) => old.querySelectorAll("[data-now]")[index].replaceWith(one));
}

// What a region says, apart from what is different at every look.
function print(place) {
  const copy = place.cloneNode(true);
  for (const one of copy.querySelectorAll(".clock, [data-now]")) one.remove();
  return copy.innerHTML;
}

// A clear no has words of its own: signed out meanwhile, or something not filled in.
async function refusal(answer) {
  if (!answer || answer.status >= 500) return "";
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  return page.querySelector("main .lead")?.textContent ?? "";
}

// Buttons do what they do without scripts, only without leaving the page.
async function submit(event) {
  const form = event.target;
  if (!form.matches("[data-enhance]")) return;
  event.preventDefault();
  const notice = document.getElementById("notice");
  const body = new URLSearchParams(new FormData(form, event.submitter)); // a disabled button says nothing
  form.querySelector("button").disabled = true;
  try {
    const answer = await fetch(form.action, { method: "POST", headers: { Accept: "text/html" }, body });
    if (!answer.ok) throw Object.assign(new Error("no page"), { answer });
    changedHere();
    form.reset();
    form.closest("details")?.removeAttribute("open");
    const page = swap(await answer.text(), form.closest("[data-session]")?.dataset.session);
    notice.replaceChildren(...page.getElementById("notice").childNodes);
  } catch (error) {
    const words = (await refusal(error.answer)) || "That may not have reached us. Press again: doing it twice is harmless.";
    notice.replaceChildren(Object.assign(document.createElement("p"), { className: "notice bad", textContent: words }));
    form.querySelector("button").disabled = false;
  }
  const said = notice.querySelector(".notice")?.textContent;
  if (said) announce(said);
}

export function begin() {
  const address = new URL(location.href);
  address.searchParams.delete("said");
  if (address.href !== location.href) history.replaceState(null, "", address);
  printed = print(region());
  heard(region().dataset.serverNow);
  localise(document);
  document.addEventListener("submit", submit);
}
