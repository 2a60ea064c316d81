"""What one can check about a page without eyes: contrast of every text, names of everything one can press or fill, ids that are unique."""

from __future__ import annotations

from typing import Any

# WCAG 2.2 AA: 4.5:1 for text, 3:1 for large text (24 px, or 18.66 px bold). Colours are read by painting one pixel, so oklch() works too.
CHECK = r"""
() => {
  const found = [];
  const brush = Object.assign(document.createElement("canvas"), {width: 1, height: 1}).getContext("2d", {willReadFrequently: true});
  const known = {};
  const colour = (text) => {
    if (!known[text]) {
      brush.clearRect(0, 0, 1, 1);
      brush.fillStyle = text;
      brush.fillRect(0, 0, 1, 1);
      const [r, g, b, a] = brush.getImageData(0, 0, 1, 1).data;
      known[text] = [r, g, b, a / 255];
    }
    return known[text];
  };
  const over = (top, below) => [0, 1, 2].map((i) => top[i] * top[3] + below[i] * (1 - top[3]));
  const light = (rgb) => {
    const part = rgb.map((v) => (v / 255 <= 0.03928 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * part[0] + 0.7152 * part[1] + 0.0722 * part[2];
  };
  const ground = (element) => {
    const layers = [];
    for (let one = element; one; one = one.parentElement) {
      const paint = colour(getComputedStyle(one).backgroundColor);
      if (paint[3] > 0) layers.push(paint);
      if (paint[3] > 0.99) break;
    }
    return layers.reverse().reduce((below, top) => over(top, below), [255, 255, 255]);
  };
  const hidden = (element) => element.closest("[disabled], .visually-hidden, .skip-link, option, dialog:not([open])");
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const element = walk.currentNode.parentElement;
    const text = walk.currentNode.data.trim();
    const box = element.getBoundingClientRect();
    const style = getComputedStyle(element);
    if (!text || box.width < 2 || box.height < 2 || style.visibility !== "visible" || hidden(element)) continue;
    let opacity = 1;
    for (let one = element; one; one = one.parentElement) opacity *= parseFloat(getComputedStyle(one).opacity);
    if (opacity < 0.05) continue;
    const below = ground(element);
    const ink = colour(style.color);
    const [a, b] = [light(over([ink[0], ink[1], ink[2], ink[3] * opacity], below)), light(below)];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && parseInt(style.fontWeight) >= 700) || element.matches(".material-symbols-outlined");
    if (ratio < (large ? 3 : 4.5) - 0.02) found.push(`contrast ${ratio.toFixed(2)}: ${text.slice(0, 40)}`);
  }
  for (const field of document.querySelectorAll("input:not([type=hidden]), select, textarea")) {
    const named = field.getAttribute("aria-label") || field.getAttribute("aria-labelledby") || field.labels?.[0]?.innerText.trim();
    if (!named) found.push(`no label: ${field.outerHTML.slice(0, 80)}`);
  }
  for (const control of document.querySelectorAll("a[href], button")) {
    const named = control.getAttribute("aria-label") || control.innerText || control.textContent;
    if (!named.trim()) found.push(`no name: ${control.outerHTML.slice(0, 80)}`);
  }
  const ids = [...document.querySelectorAll("[id]")].map((one) => one.id);
  for (const id of new Set(ids.filter((id, at) => ids.indexOf(id) !== at))) found.push(`id twice: ${id}`);
  if (document.querySelectorAll("h1").length !== 1) found.push("not one h1");
  if (!document.documentElement.lang || !document.title || !document.querySelector("main")) found.push("no language, title or main");
  return [...new Set(found)];
}
"""


def problems_of(page: Any) -> list[str]:
    """Return what keeps this page from being read or used by everybody, as far as a machine can tell."""
    return list(page.evaluate(CHECK))
