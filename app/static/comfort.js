// Comfort only: every page works without it. Closes an open menu on Escape or on a click elsewhere.
"use strict";
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
