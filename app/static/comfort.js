// Comfort only: every page works without it.
"use strict";

// An open menu closes on Escape or on a click elsewhere.
const rooms = () => document.querySelectorAll("details.room[open]");
document.addEventListener("click", (event) => {
  for (const room of rooms()) if (!room.contains(event.target)) room.open = false;
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const room of rooms()) {
    room.open = false;
    room.querySelector("summary").focus();
  }
});

// The parts of a page marked data-live are fetched again every few seconds, until a fresh page no longer has the mark.
// A part in which somebody writes stays as it is. Without script there is a link to look again (base.html).
const LOOK_AGAIN_MS = 3000;
const atEnd = (box) => box.scrollTop + box.clientHeight >= box.scrollHeight - 4;
const toEnd = (part) => {
  for (const box of part.querySelectorAll(".log")) box.scrollTop = box.scrollHeight;
};
const liveParts = (page) => [...page.querySelectorAll("[data-live]")];
const isBegun = (part) =>
  part.contains(document.activeElement) ||
  [...part.querySelectorAll("input, textarea")].some(
    (field) => field.value !== field.defaultValue || field.checked !== field.defaultChecked,
  );
function replacePart(shown, fresh) {
  const follows = [...shown.querySelectorAll(".log")].every(atEnd);
  for (const open of shown.querySelectorAll("details[open][id]")) {
    const same = fresh.querySelector("#" + CSS.escape(open.id));
    if (same) same.open = true;
  }
  shown.replaceWith(fresh);
  if (follows) toEnd(fresh);
}
async function lookAgain() {
  const shown = liveParts(document);
  if (!document.hidden) {
    try {
      const answer = await fetch(location.href);
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = liveParts(page);
      if (answer.ok && !fresh.length && !shown.some(isBegun)) return location.reload();
      for (const part of answer.ok ? fresh : []) {
        const same = shown.find((one) => one.dataset.live === part.dataset.live);
        if (same && !isBegun(same)) replacePart(same, part);
      }
    } catch {
      // The portal is away for a moment; look again later.
    }
  }
  setTimeout(lookAgain, LOOK_AGAIN_MS);
}
if (liveParts(document).length) {
  toEnd(document);
  setTimeout(lookAgain, LOOK_AGAIN_MS);
}
