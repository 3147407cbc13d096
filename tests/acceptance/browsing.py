"""What tests of pages in a browser share: the sizes of a phone and of a desk, and how a page is looked at."""

from __future__ import annotations

PHONE, DESK = {"width": 390, "height": 844}, {"width": 1440, "height": 900}
TOO_WIDE = "() => document.documentElement.scrollWidth - window.innerWidth"
# Texts whose colour stands out too little from what lies behind it: below 4.5:1, below 3:1 where they are large (WCAG 2.2, 1.4.3).
FAINT = """() => {
  const parts = (text) => { const m = text.match(/[\\d.]+/g).map(Number); return m.length < 4 ? [...m, 1] : m; };
  const light = (c) => c.slice(0, 3).map((v) => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (node) => {
    const layers = [];
    for (let e = node; e; e = e.parentElement) { layers.push(parts(getComputedStyle(e).backgroundColor)); if (layers.at(-1)[3] === 1) break; }
    return layers.reverse().reduce((under, l) => under.map((v, i) => l[i] * l[3] + v * (1 - l[3])), [255, 255, 255]);
  };
  const found = [];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const e = walk.currentNode.parentElement;
    if (!walk.currentNode.textContent.trim() || !e.checkVisibility()) continue;
    const style = getComputedStyle(e), [a, b] = [light(parts(style.color)), light(behind(e))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < (parseFloat(style.fontSize) >= 24 ? 3 : 4.5)) found.push(`${walk.currentNode.textContent.trim().slice(0, 40)}: ${ratio.toFixed(2)}`);
  }
  return found;
}"""
