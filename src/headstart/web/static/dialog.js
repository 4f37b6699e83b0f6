// A small step may open over the page it belongs to. It is a page of its own all the same: where
// this cannot work, the link is followed.

import { localise } from "./region.js";

async function open(link) {
  const answer = await fetch(link.href, { headers: { Accept: "text/html" } });
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const content = page.getElementById("choosing");
  if (!answer.ok || !content) throw new Error("no page");
  const title = Object.assign(document.createElement("h2"), { id: "choosing-title" });
  const heading = content.querySelector("h1");
  title.append(...heading.childNodes);
  heading.replaceWith(title); // the page below has its own
  localise(content);
  const dialog = document.getElementById("dialog");
  dialog.replaceChildren(content);
  dialog.showModal();
}

document.addEventListener("click", (event) => {
  if (event.ctrlKey || event.metaKey || event.shiftKey) return;
  const link = event.target.closest("a[data-dialog], dialog a[data-close]");
  if (!link) return;
  event.preventDefault();
  if (link.matches("[data-close]")) link.closest("dialog").close();
  else open(link).catch(() => location.assign(link.href));
});
