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

// The part of a page marked data-live is fetched again every few seconds, until a fresh page no longer has the mark.
// Without script the page reloads as a whole (base.html).
const LOOK_AGAIN_MS = 3000;
const atEnd = (box) => box.scrollTop + box.clientHeight >= box.scrollHeight - 4;
const toEnd = (part) => {
  for (const box of part.querySelectorAll(".log")) box.scrollTop = box.scrollHeight;
};
async function lookAgain() {
  const shown = document.querySelector("[data-live]");
  if (!shown) return;
  if (!document.hidden) {
    try {
      const answer = await fetch(location.href);
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = page.querySelector("[data-live]");
      if (answer.ok && !fresh) return location.reload();
      if (answer.ok) {
        const follows = [...shown.querySelectorAll(".log")].every(atEnd);
        for (const open of shown.querySelectorAll("details[open][id]")) {
          const same = fresh.querySelector("#" + CSS.escape(open.id));
          if (same) same.open = true;
        }
        shown.replaceWith(fresh);
        if (follows) toEnd(fresh);
      }
    } catch {
      // The portal is away for a moment; look again later.
    }
  }
  setTimeout(lookAgain, LOOK_AGAIN_MS);
}
if (document.querySelector("[data-live]")) {
  toEnd(document);
  setTimeout(lookAgain, LOOK_AGAIN_MS);
}
