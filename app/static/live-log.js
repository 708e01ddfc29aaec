// A log that grows while one reads: asks for what is new, and reloads the page once the build has ended.
"use strict";
for (const log of document.querySelectorAll("[data-live-log]")) {
  let next = Number(log.dataset.next);
  let isEmpty = next === 0;
  const ask = async () => {
    try {
      const answer = await fetch(`${log.dataset.liveLog}?offset=${next}`, { cache: "no-store" });
      if (answer.ok) {
        const text = await answer.text();
        const isAtEnd = log.scrollTop + log.clientHeight >= log.scrollHeight - 40;
        if (text && isEmpty) { log.textContent = ""; isEmpty = false; }
        if (text) log.append(text);
        if (isAtEnd) log.scrollTop = log.scrollHeight;
        next = Number(answer.headers.get("Log-Next"));
        if (!["queued", "running", "waiting"].includes(answer.headers.get("Build-State"))) { location.reload(); return; }
      }
    } catch { /* the portal is away; ask again later */ }
    setTimeout(ask, 1500);
  };
  log.scrollTop = log.scrollHeight;
  setTimeout(ask, 1000);
}
