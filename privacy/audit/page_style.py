"""The report's one style sheet: calm, light and dark, on paper too; and the switch between the languages."""

from __future__ import annotations

import base64
import hashlib
from typing import Final

STYLE: Final = """
:root { color-scheme: light dark; --ink: #1c1f24; --quiet: #5f6570; --paper: #fcfbf8; --edge: #e4e0d8;
  --card: #f4f1ea; --good: #24694a; --bad: #a2341f; --warn: #8a5d00; --accent: #2b6a8a;
  --c0: #b5533c; --c1: #2b6a8a; --c2: #6c7d25; --c3: #83539a; --c4: #b57c12; --c5: #4a4f5a; }
@media (prefers-color-scheme: dark) { :root { --ink: #e9e7e2; --quiet: #a3a6ad; --paper: #16171a; --edge: #35373c;
  --card: #1f2125; --good: #7fcaa5; --bad: #ef917f; --warn: #e0b45c; --accent: #82bcd8;
  --c0: #e28d76; --c1: #7db8d5; --c2: #b8c86e; --c3: #c69dd9; --c4: #e6b860; --c5: #bbbfc8; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.6 system-ui, -apple-system, "Segoe UI", "Noto Sans", "PingFang SC", "Microsoft YaHei",
  "Noto Sans CJK SC", sans-serif; }
:root:has(#zh:checked) .en, :root:not(:has(#zh:checked)) .zh { display: none; }
main { max-width: 66rem; margin: 0 auto; padding: 1.6rem 1.25rem 4rem; }
header { display: flex; flex-wrap: wrap; gap: .4rem 1.5rem; align-items: baseline; justify-content: space-between; }
h1 { font-size: 1.85rem; line-height: 1.2; margin: .2rem 0; font-weight: 650; letter-spacing: -.01em; }
h2 { font-size: 1.25rem; margin: 3rem 0 .6rem; font-weight: 650; }
h3 { font-size: .95rem; margin: 0 0 .4rem; font-weight: 600; }
p { margin: .5rem 0; max-width: 44rem; }
a { color: var(--accent); }
.quiet, figcaption, th, .unit { color: var(--quiet); }
.switch { display: inline-flex; border: 1px solid var(--edge); border-radius: 99px; overflow: hidden; font-size: .86rem; }
.switch input { position: absolute; opacity: 0; width: 1px; height: 1px; }
.switch label { padding: .25rem .8rem; cursor: pointer; color: var(--quiet); }
.switch input:checked + label { background: var(--card); color: var(--ink); font-weight: 600; }
.switch input:focus-visible + label { outline: 2px solid var(--accent); outline-offset: -2px; border-radius: 99px; }
.label { border: 2px solid var(--ink); border-radius: 12px; margin: 1.4rem 0; overflow: hidden; }
.label > h2 { margin: 0; padding: .7rem 1.1rem; font-size: 1rem; border-bottom: 2px solid var(--ink); }
.facts { display: grid; grid-template-columns: repeat(4, 1fr); gap: 1px;
  background: var(--edge); }
.facts > div { background: var(--paper); padding: .9rem 1.1rem; }
.facts b { display: block; font-size: 1.7rem; line-height: 1.25; font-weight: 650; font-variant-numeric: tabular-nums; }
.facts .unit, .facts p { font-size: .9rem; } .facts p { margin: .15rem 0; color: var(--quiet); }
.meaning { display: grid; grid-template-columns: minmax(0, 1.3fr) minmax(0, 1fr); gap: 1.2rem; padding: 1rem 1.1rem;
  border-top: 1px solid var(--edge); align-items: center; }
.meaning p { margin: .2rem 0; }
.dots { max-width: 26rem; } .dots .safe { fill: var(--edge); } .dots .found { fill: var(--c0); }
.dots .guessed { fill: var(--quiet); }
.warning { border-left: 4px solid var(--bad); background: var(--card); padding: .7rem 1rem; max-width: none;
  border-radius: 0 8px 8px 0; }
.verdict { display: inline-block; font-size: .8rem; font-weight: 600; padding: .08rem .6rem; border-radius: 99px;
  border: 1px solid currentColor; white-space: nowrap; }
.verdict.holds { color: var(--good); } .verdict.refuted { color: var(--bad); } .verdict.measured { color: var(--quiet); }
.flow { display: grid; grid-template-columns: 1.25fr auto 1fr auto 1fr; gap: .6rem; align-items: stretch;
  margin: 1rem 0; }
.flow section { background: var(--card); border: 1px solid var(--edge); border-radius: 10px; padding: .8rem 1rem; }
.flow h3 { margin-bottom: .3rem; } .flow ul { margin: 0; padding-left: 1.1rem; font-size: .9rem; }
.flow .arrow { align-self: center; text-align: center; font-size: .82rem; color: var(--quiet); max-width: 9rem; }
.flow .arrow::after { content: "⟶"; display: block; font-size: 1.7rem; line-height: 1; color: var(--accent); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .92rem; margin: .4rem 0; }
th, td { text-align: left; padding: .42rem .8rem .42rem 0; border-bottom: 1px solid var(--edge);
  vertical-align: top; } th { font-weight: 500; }
.pairs td:first-child { color: var(--quiet); width: 34%; } td.number, th.number { text-align: right;
  font-variant-numeric: tabular-nums; white-space: nowrap; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 23rem), 1fr)); gap: 1.6rem 3rem;
  margin: 1rem 0; }
figure { margin: 0; max-width: 36rem; } svg { width: 100%; height: auto; display: block; }
svg text { fill: var(--quiet); font-size: 11.5px; font-family: inherit; } svg text.value { fill: var(--ink); }
.grid { stroke: var(--edge); } path { fill: none; stroke-width: 2; stroke-linejoin: round; } .alone { stroke-width: 7; stroke-linecap: round; }
.limit, .bound { stroke: var(--bad); stroke-dasharray: 6 4; } .guess { stroke: var(--quiet); stroke-dasharray: 2 4; }
path.line-0 { stroke: var(--c0); } path.line-1 { stroke: var(--c1); } path.line-2 { stroke: var(--c2); }
path.line-3 { stroke: var(--c3); } path.line-4 { stroke: var(--c4); } path.line-5 { stroke: var(--c5); }
path.bound { stroke: var(--bad); }
.bar { fill: var(--c1); } .bar.promised { fill: var(--edge); } .bar.group { fill: var(--c4); }
.bar.over { fill: var(--bad); }
figcaption > span { margin-right: .9rem; font-size: .84rem; display: inline-flex; align-items: baseline; }
figcaption i { flex: none; width: .8em; height: .8em; border-radius: 2px; margin-right: .4em; }
i.line-0 { background: var(--c0); } i.line-1 { background: var(--c1); } i.line-2 { background: var(--c2); }
i.line-3 { background: var(--c3); } i.line-4 { background: var(--c4); } i.line-5 { background: var(--c5); }
i.bound { background: var(--bad); } i.guess { background: var(--quiet); }
.test { border: 1px solid var(--edge); border-radius: 10px; padding: .9rem 1.1rem; margin: .8rem 0; }
.test h3 { display: flex; gap: .7rem; align-items: baseline; flex-wrap: wrap; font-size: 1.02rem; }
.gallery { display: flex; flex-wrap: wrap; gap: .8rem; margin: .6rem 0; }
.gallery figure { width: 7.2rem; } .gallery img { width: 100%; image-rendering: pixelated; border-radius: 6px;
  display: block; background: var(--card); } .gallery figcaption { font-size: .8rem; line-height: 1.35; }
.empty { border: 1px dashed var(--quiet); border-radius: 10px; padding: .9rem 1.1rem; }
details { border-bottom: 1px solid var(--edge); padding: .5rem 0; } summary { cursor: pointer; font-weight: 600; }
summary i { font-style: normal; color: var(--quiet); display: inline-block; min-width: 1.6em; }
code, pre { font: .86rem/1.5 ui-monospace, SFMono-Regular, Menlo, monospace; }
pre { background: var(--card); padding: .8rem 1rem; border-radius: 8px; overflow-x: auto; }
.hash { overflow-wrap: anywhere; }
@media (max-width: 58rem) { .facts { grid-template-columns: 1fr 1fr; } }
@media (max-width: 46rem) { .meaning, .flow { grid-template-columns: 1fr; }
  .flow .arrow { max-width: none; } .flow .arrow::after { content: "↓"; } h1 { font-size: 1.5rem; } }
@media (max-width: 26rem) { .facts { grid-template-columns: 1fr; } }
@page { size: A4; margin: 14mm 15mm; }
@media print { :root { color-scheme: light; --ink: #1c1f24; --quiet: #555b66; --paper: #fff; --edge: #d9d5cc;
    --card: #f6f4ef; --good: #24694a; --bad: #a2341f; --c0: #b5533c; --c1: #2b6a8a; --c2: #6c7d25; --c3: #83539a;
    --c4: #b57c12; --c5: #4a4f5a; }
  body { font-size: 9.5pt; line-height: 1.45; } main { padding: 0; max-width: none; } .switch { display: none; }
  .facts { grid-template-columns: repeat(4, 1fr); } .facts b { font-size: 1.4rem; } .facts > div { padding: .6rem .8rem; }
  .meaning, .flow { grid-template-columns: 1.3fr 1fr; } .flow { grid-template-columns: 1.25fr auto 1fr auto 1fr; }
  .flow .arrow::after { content: "⟶"; } .gallery figure { width: 5.6rem; } th, td { padding: .22rem .6rem .22rem 0; }
  h2, h3 { break-after: avoid; } h2 { margin-top: 1.4rem; } table { font-size: .9em; } figure, tr, .test, .label, .flow { break-inside: avoid; }
  summary { list-style: none; break-after: avoid; } .charts { grid-template-columns: 1fr 1fr; gap: 1rem 1.6rem; }
  pre { white-space: pre-wrap; } }
"""
STYLE_HASH: Final = "sha256-" + base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
"""What the page's content security policy names: this style sheet and nothing else may style the page."""
