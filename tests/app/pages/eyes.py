"""What is looked for on a page: barriers that axe finds, what does not fit, what a keyboard cannot reach or show."""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files
from typing import Any

from selenium.webdriver import Chrome

# All of WCAG 2.2 A and AA, and axe's own good practice, which has the landmarks and the order of headings.
STANDARDS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
COLOURS = ["color-contrast", "link-in-text-block"]

_RUN_AXE = """
const [wanted, standards, some, done] = arguments;
const chosen = wanted.length ? {type: 'rule', values: wanted} : {type: 'tag', values: standards};
const built = new Map();  // how an element is built: tags and all that styles may hang on, with all that is in it
const content = new Set(('id for href src alt name value title datetime action content aria-label aria-labelledby ' +
  'aria-describedby d points transform x y x1 x2 y1 y2 cx cy r rx ry dx dy width height').split(' '));
const signature = (one) => {
  const own = [...one.attributes].filter(({name}) => !content.has(name)).map(({name, value}) => `${name}=${value}`);
  const whole = `${one.tagName}|${own.join('|')}(${[...one.children].map(signature).join(',')})`;
  built.set(one, whole);
  return whole;
};
const repeated = [];
if (some) {
  signature(document.body);
  for (const parent of document.querySelectorAll('body, body *')) {
    const times = new Map();
    for (const child of parent.children) {
      const how = built.get(child), before = times.get(how) ?? 0;
      times.set(how, before + 1);
      if (before >= some && child !== parent.lastElementChild) repeated.push(child);
    }
  }
}
const where = repeated.length ? {include: [document], exclude: repeated} : document;
axe.run(where, {runOnly: chosen, resultTypes: ['violations']}).then(
  (found) => done(found.violations.map(({impact, id, nodes}) =>
    `${impact} ${id}, ${nodes.length} times, first ${nodes[0].target.join(' ')} ${nodes[0].html.slice(0, 160)} ` +
    `(${nodes[0].failureSummary.replaceAll('\\n', ' ')})`)),
  (error) => done(['axe broke: ' + error]));
"""

_KEYBOARD = """
const found = [];
const name = (one) => one.outerHTML.slice(0, 110);
const seen = (one) => one.checkVisibility({visibilityProperty: true}) && one.getClientRects().length > 0;
const controls = [...document.querySelectorAll(
  'a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex], [contenteditable]')].filter(seen);
for (const one of controls) {
  if (one.tabIndex > 0) found.push('jumps the order of the page: ' + name(one));
  if (one.disabled || one.tabIndex < 0) continue;
  one.focus({preventScroll: true});
  if (document.activeElement !== one) { found.push('cannot be reached: ' + name(one)); continue; }
  const style = getComputedStyle(one);
  const width = style.outlineStyle === 'auto' ? 2 : parseFloat(style.outlineWidth);
  if (style.outlineStyle === 'none' || width < 2)
    found.push('does not show that it has the focus: ' + name(one));
  const box = one.getBoundingClientRect();
  if (!one.closest('.skip') && (box.width < 1 || box.height < 1)) found.push('has no size: ' + name(one));
  for (let around = one.parentElement; around && around !== document.body; around = around.parentElement) {
    const clips = getComputedStyle(around);
    if (clips.overflowX === 'visible' && clips.overflowY === 'visible') continue;
    const edge = around.getBoundingClientRect();
    const wide = parseFloat(style.outlineOffset) + parseFloat(style.outlineWidth);
    if (box.left - wide < edge.left - 0.5 && around.scrollLeft === 0)
      found.push(`its outline is cut off by <${around.tagName} class="${around.className}">: ` + name(one));
    break;
  }
}
for (const one of document.querySelectorAll('body *')) {
  if (!seen(one) || one.closest('a, button, input, select, textarea, summary, label')) continue;
  if (getComputedStyle(one).cursor === 'pointer') found.push('looks like a control and is none: ' + name(one));
}
if (document.activeElement) document.activeElement.blur();
return found.length > 3 ? [...found.slice(0, 3), `and ${found.length - 3} more`] : found;
"""


@lru_cache(maxsize=1)
def _axe() -> str:
    return files("selenium_axe_python").joinpath("axe-core/axe.min.js").read_text(encoding="utf-8")


def barriers(page: Chrome, *, rules: list[str] | None = None, of_alike: int = 0) -> list[str]:
    """What axe finds on the open page, by these rules or all of the standards'.

    `of_alike`: of neighbours that are built alike (rows of a table), only so many and the last are looked at.
    The strict content policy of the pages lets no script in; the driver's own way around it is not a page's.
    """
    if not page.execute_script("return 'axe' in window"):
        page.execute_script(_axe())
    found: list[str] = page.execute_async_script(_RUN_AXE, rules or [], STANDARDS, of_alike)
    return found


def does_not_fit(page: Chrome) -> list[str]:
    """Whether the page scrolls sideways, and what sticks out."""
    found: dict[str, Any] = page.execute_script("""
        const page = document.scrollingElement, wide = page.clientWidth;
        const out = [...document.querySelectorAll('body *')].filter((one) =>
          one.getBoundingClientRect().right > wide + 1 && one.checkVisibility());
        return {over: page.scrollWidth - wide, out: out.slice(-3).map((one) => one.outerHTML.slice(0, 110))};
    """)
    return [f"{found['over']} px wider than the window: {found['out']}"] if found["over"] else []


def unreachable(page: Chrome) -> list[str]:
    """What a keyboard cannot reach, does not show, or what only looks like a control."""
    press(page, "Tab")
    first = page.execute_script("return [document.activeElement.className, document.activeElement.offsetLeft >= 0]")
    found: list[str] = page.execute_script(_KEYBOARD)
    is_bare = page.execute_script("return !document.querySelector('nav')")  # nothing to skip: the package index
    if not is_bare and first != ["skip", True]:
        found.insert(0, f"the first stop of the Tab key is not the skip link: {first}")
    return found


def press(page: Chrome, key: str) -> None:
    """Press a key as the keyboard does, wherever the focus is."""
    code = {"Tab": 9, "Enter": 13, "Escape": 27, " ": 32}[key]
    told = {"key": key, "code": "Space" if key == " " else key, "windowsVirtualKeyCode": code}
    if key in ("Enter", " "):
        told["text"] = "\r" if key == "Enter" else " "
    page.execute_cdp_cmd("Input.dispatchKeyEvent", {"type": "keyDown", **told})
    page.execute_cdp_cmd("Input.dispatchKeyEvent", {"type": "keyUp", **told})
