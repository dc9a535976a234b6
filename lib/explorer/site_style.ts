/** The explorer's style sheet: light or dark as the reader prefers, one column on a small screen. */
export const SITE_STYLE = `
:root {
  color-scheme: light dark;
  --page: #f6f7f9; --card: #fff; --ink: #1c2330; --soft: #566072; --line: #dfe3ea;
  --link: #1d56b4; --bar: #2563c9; --bad: #b3261e; --heat: 240 130 30; --good: #1f6b3a;
  --c0: #2563c9; --c1: #c2570c; --c2: #2f855a; --c3: #7c3aed; --c4: #b83280; --c5: #6b7280;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #12151a; --card: #1a1f27; --ink: #e3e7ee; --soft: #9aa5b6; --line: #2d3541;
    --link: #8ab8fa; --bar: #6ea6f7; --bad: #f2a09a; --heat: 176 84 12; --good: #86d9a4;
    --c0: #6ea6f7; --c1: #f0964f; --c2: #63c793; --c3: #b294f8; --c4: #ee82bd; --c5: #98a2b3;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; padding: 0 clamp(.75rem, 3vw, 2rem) 2rem; max-width: 76rem;
  background: var(--page); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", sans-serif;
}
a { color: var(--link); }
:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; }
h1 { margin: 1rem 0 .25rem; font-size: 1.6rem; line-height: 1.25; overflow-wrap: anywhere; }
h1:focus { outline: none; }
h2 { margin: 0 0 .5rem; font-size: 1rem; overflow-wrap: anywhere; }
h2 small, .about small, dd small { color: var(--soft); font-weight: 400; font-size: .8125rem; }
.about { margin: 0 0 1rem; overflow-wrap: anywhere; }
.soft, footer { color: var(--soft); }
.failed { color: var(--bad); overflow-wrap: anywhere; }
header { padding: .6rem 0; border-bottom: 1px solid var(--line); }
header nav { display: flex; flex-wrap: wrap; gap: .5rem 1rem; align-items: center; }
header strong { overflow-wrap: anywhere; }
header form { flex: 1 1 12rem; }
header [aria-current] { color: inherit; font-weight: 600; text-decoration: none; }
input, select, textarea, button {
  font: inherit; color: inherit; background: var(--card); border: 1px solid var(--soft);
  border-radius: 6px; padding: .25rem .5rem; max-width: 100%;
}
button { cursor: pointer; }
input[type=search], textarea { width: 100%; }
.block { display: block; }
.filters { display: flex; flex-wrap: wrap; gap: .4rem 1rem; align-items: end; font-size: .875rem; }
.filters span { white-space: nowrap; }
.filters input:not([type=checkbox]) { width: 5rem; }
.settings label { display: flex; flex-direction: column; gap: .15rem; }
.settings input[type=number] { width: 8rem; }
.settings select { padding-block: .35rem; }
.settings .block { flex: 1 1 100%; }
button.main { background: var(--link); border-color: var(--link); color: var(--page); font-weight: 600; padding: .25rem 1.25rem; }
progress { display: block; width: 100%; height: .5rem; accent-color: var(--bar); }
h3 { margin: 0 0 .35rem; font-size: .9375rem; overflow-wrap: anywhere; }
h3 small { color: var(--soft); font-weight: 400; font-size: .8125rem; }
.forming { display: grid; gap: .75rem; margin: .75rem 0;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 24rem), 1fr)); }
@media print { .settings, .filters, progress, .forming ~ button { display: none; } .forming .card { break-inside: avoid; } }
.numbers { display: grid; gap: .6rem; margin: .75rem 0; padding: 0;
  grid-template-columns: repeat(4, minmax(0, 1fr)); }
.numbers div, figure, .card, .wide {
  min-width: 0; background: var(--card); border: 1px solid var(--line); border-radius: 8px;
}
.numbers div { padding: .6rem .8rem; }
dt { color: var(--soft); font-size: .8125rem; }
dd { margin: 0; overflow-wrap: anywhere; }
.numbers dd { font-size: 1.3rem; font-weight: 600; line-height: 1.3; }
.numbers dd small { display: block; }
.facts div { display: grid; grid-template-columns: 8rem minmax(0, 1fr); gap: .75rem; padding: .1rem 0; }
.columns { display: grid; gap: .75rem; margin: .75rem 0; align-items: start;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 19rem), 1fr)); }
.card { padding: .75rem .9rem; }
section.card, .wide { margin: .75rem 0; }
figure { margin: .75rem 0; padding: .75rem .9rem; }
.columns figure { margin: 0; }
figcaption { margin-bottom: .4rem; color: var(--soft); font-size: .8125rem; }
svg { display: block; width: 100%; height: auto; }
svg text { fill: var(--ink); font-size: 12px; }
svg .soft { fill: var(--soft); }
.histogram svg { max-width: 28rem; }
.bar, .cell { fill: var(--bar); }
.cell { cursor: pointer; }
.cell:hover { stroke: var(--ink); }
.map svg { max-width: 52rem; }
.axis { stroke: var(--soft); stroke-width: 1; }
.c0 { --c: var(--c0); } .c1 { --c: var(--c1); } .c2 { --c: var(--c2); } .c3 { --c: var(--c3); }
.c4 { --c: var(--c4); } .c5 { --c: var(--c5); }
.grid { stroke: var(--line); }
.mark { stroke: var(--ink); stroke-dasharray: 4 3; }
.line { fill: none; stroke: var(--c); stroke-width: 1.8; stroke-linejoin: round; }
.dust, .grains, .dots { fill: none; stroke: var(--c); stroke-linecap: round; stroke-width: 3; }
.grains { stroke-width: 4.5; }
.dots { stroke-width: 7; }
.point { fill: var(--c); stroke: var(--card); }
a:hover > .point, a:focus-visible > .point { stroke: var(--ink); stroke-width: 2.5; }
.chosen { fill: none; stroke: var(--ink); stroke-width: 2; pointer-events: none; }
.cloud > svg { cursor: crosshair; touch-action: manipulation; }
.steps { display: block; width: 100%; padding: 0; }
.told { margin: .4rem 0 0; min-height: 3em; overflow-wrap: anywhere; }
.legend { display: flex; flex-wrap: wrap; gap: .2rem 1rem; font-size: .8125rem; }
.legend svg { display: inline-block; width: .8rem; height: .8rem; margin-right: .35rem; vertical-align: -.05rem; }
.wide-columns { grid-template-columns: repeat(auto-fit, minmax(min(100%, 28rem), 1fr)); }
figure img { display: block; width: 100%; height: auto; background: #fff; border-radius: 4px; }
summary { cursor: pointer; }
.more figure { margin-top: .75rem; }
.claims li { display: flex; gap: .75rem; padding: .5rem 0; border-top: 1px solid var(--line); }
.claims li p { margin: 0; overflow-wrap: anywhere; }
.verdict { flex: none; width: 6.5rem; font-weight: 600; }
.verdict.yes { color: var(--good); } .verdict.no { color: var(--bad); } .verdict.open { color: var(--soft); }
.tabs { display: flex; flex-wrap: wrap; gap: .3rem 1rem; }
.tabs [aria-current] { color: inherit; font-weight: 600; text-decoration: none; }
h3 { margin: 0; font-size: 1rem; }
h3 small { color: var(--soft); font-weight: 400; }
.group .pairs li > :last-child { margin-left: 0; flex: auto; }
.group p { margin: .2rem 0; }
.group .arrow { color: var(--soft); text-align: center; line-height: 1; }
.stitched li { padding: .25rem 0; }
.measures { columns: 22rem auto; column-gap: 2rem; }
.measures div { break-inside: avoid; }
.graph { overflow-x: auto; }
.graph svg { min-width: 42rem; }
.graph rect { fill: var(--page); stroke: var(--soft); }
.graph a:hover rect, .graph a:focus-visible rect { stroke: var(--link); stroke-width: 2; }
.edge { fill: none; stroke: rgb(var(--heat) / .7); }
ul, ol { margin: 0; padding: 0; list-style: none; }
.pairs li { display: flex; gap: .75rem; padding: .2rem 0; border-top: 1px solid var(--line);
  font-variant-numeric: tabular-nums; }
.pairs li:first-child { border-top: 0; }
.pairs li > :last-child { margin-left: auto; flex: none; }
.label { min-width: 0; color: var(--soft); overflow-wrap: anywhere; }
.contexts li { display: flex; gap: .75rem; padding: .3rem 0; border-top: 1px solid var(--line); }
.contexts li:first-child { border-top: 0; }
.peak { flex: none; width: 3.25rem; color: var(--soft); font-size: .8125rem; line-height: 1.8;
  text-align: right; font-variant-numeric: tabular-nums; }
.text { min-width: 0; white-space: pre-wrap; overflow-wrap: anywhere; }
.on { position: relative; border-radius: 3px; print-color-adjust: exact; background: rgb(var(--heat) / calc(var(--a) * .75)); }
.top { font-weight: 700; text-decoration: underline; text-underline-offset: 3px; }
.on:hover::after, .on:focus-visible::after {
  content: attr(data-value); position: absolute; z-index: 1; left: 0; bottom: 100%; padding: 0 .35rem;
  border-radius: 4px; background: var(--ink); color: var(--page); font: 600 12px/1.6 system-ui, sans-serif;
  text-decoration: none; white-space: nowrap; pointer-events: none;
}
.tokens button { padding: 0; border: 0; border-radius: 3px; background-color: transparent;
  white-space: pre-wrap; overflow-wrap: anywhere; }
.tokens button.on { background: rgb(var(--heat) / calc(var(--a) * .75)); }
.tokens button[aria-pressed=true] { outline: 2px solid var(--link); }
.token { display: inline-block; max-width: 100%; white-space: pre-wrap; padding: 0 .25rem; border-radius: 4px; background: var(--page); border: 1px solid var(--line);
  font: 13px/1.6 ui-monospace, "Liberation Mono", monospace; overflow-wrap: anywhere; }
.wide { overflow-x: auto; padding: 0 .9rem; }
table { width: 100%; border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .35rem .8rem .35rem 0; border-top: 1px solid var(--line); text-align: left;
  font-weight: 400; white-space: nowrap; }
thead th { border-top: 0; font-size: .8125rem; }
.many { columns: 22rem auto; column-gap: 2rem; }
.many li { break-inside: avoid; }
.words { width: 45%; min-width: 9rem; white-space: normal; overflow-wrap: anywhere; }
.pages { display: flex; gap: 1rem; }
.pages span { color: var(--soft); }
footer { margin-top: 2rem; font-size: .8125rem; }
kbd { padding: 0 .3rem; border: 1px solid var(--line); border-radius: 4px; background: var(--card); }
.measures div { grid-template-columns: minmax(0, 1fr) auto; }
@media print {
  header form, header button, header select, footer, .steps, .pages, .told .soft { display: none; }
  .wide { overflow: visible; }
  .wide :is(th, td) { white-space: normal; }
  .told { min-height: 0; }
  figure, .card { break-inside: avoid; }
  section.card { break-inside: auto; }
}
@media (max-width: 44rem) {
  .numbers { grid-template-columns: repeat(2, minmax(0, 1fr)); }
  .facts:not(.measures) div { grid-template-columns: minmax(0, 1fr); gap: 0; }
  .claims li { display: block; }
  .contexts li { gap: .5rem; }
  .peak { width: 2.75rem; }
}
`;
