/** The style sheet of pages: light or dark as the reader prefers, one column on a small screen. */
export const PAGE_STYLE = `
:root {
  color-scheme: light dark;
  --page: #f6f7f9; --card: #fff; --ink: #1c2330; --soft: #5a6577; --line: #dfe3ea;
  --heat: 240 130 30;
  --plot-1: #2563c9; --plot-2: #c2570c; --plot-3: #2f855a;
  --plot-4: #7c3aed; --plot-5: #b83280; --plot-6: #4a5568;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #12151a; --card: #1a1f27; --ink: #e3e7ee; --soft: #98a3b5; --line: #2d3541;
    --heat: 214 110 20;
    --plot-1: #6ea6f7; --plot-2: #f0a060; --plot-3: #63c294;
    --plot-4: #b493f5; --plot-5: #ee85bd; --plot-6: #a3b0c2;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; padding: 2rem clamp(1rem, 4vw, 2.5rem) 3rem; max-width: 72rem;
  background: var(--page); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", sans-serif;
}
h1 { margin: 0; font-size: 1.75rem; line-height: 1.2; overflow-wrap: anywhere; }
h2 { margin: 2.5rem 0 .75rem; font-size: 1.2rem; }
h3 { margin: 0; font-size: 1rem; }
p { margin: 0 0 1rem; max-width: 46rem; }
h2, h3, p, li { overflow-wrap: anywhere; }
dl, dd, dt { margin: 0; }
.about { margin: .5rem 0 1.5rem; max-width: none; color: var(--soft); overflow-wrap: anywhere; }
.about span:not(:last-child)::after { content: " · "; }
.note, .scale { color: var(--soft); font-size: .875rem; }
.scale span { padding: 0 .3em; border-radius: 3px; color: var(--ink);
  background: rgb(var(--heat) / calc(var(--a) * .75)); }
.numbers { display: grid; gap: .75rem; grid-template-columns: repeat(4, 1fr); }
.numbers div, figure, .wide, .latent {
  background: var(--card); border: 1px solid var(--line); border-radius: 8px;
}
.numbers div { padding: .75rem .9rem; }
.numbers dt { color: var(--soft); font-size: .8125rem; }
.numbers dd { font-size: 1.375rem; font-weight: 600; line-height: 1.3;
  font-variant-numeric: tabular-nums; }
.numbers dd small { display: block; color: var(--soft); font-size: .8125rem;
  font-weight: 400; }
.plots { display: grid; gap: .75rem;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 24rem), 1fr)); }
figure { margin: 0; padding: .9rem 1rem; overflow-x: auto; }
figure.broad svg { min-width: 44rem; }
svg { display: block; width: 100%; height: auto; }
.tables { display: grid; gap: .75rem; align-items: start;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 24rem), 1fr)); }
.plots + .wide, .wide + .plots, .wide + p, figure + .wide, section > .wide + .wide { margin-top: .75rem; }
.wide { overflow-x: auto; padding: .25rem 1rem .5rem; }
table { width: 100%; border-collapse: collapse; font-variant-numeric: tabular-nums; }
caption { position: sticky; left: 0; padding: .6rem 0;
  max-width: min(65rem, 100vw - 2.5rem - 2 * clamp(1rem, 4vw, 2.5rem)); text-align: left; font-weight: 600; }
th, td { padding: .35rem 1rem .35rem 0; border-top: 1px solid var(--line); text-align: left;
  vertical-align: top; }
th:last-child, td:last-child { padding-right: 0; }
th { font-weight: 400; white-space: nowrap; }
thead th { color: var(--soft); font-size: .8125rem; white-space: normal; vertical-align: bottom; }
td { overflow-wrap: anywhere; }
.prose tbody th { width: 36%; white-space: normal; overflow-wrap: anywhere; }
.prose td:not(:last-child) { width: 7rem; overflow-wrap: normal; }
@media (min-width: 50rem) { .prose td:not(:last-child) { width: 13rem; } }
.numeric td, .numeric th:not(:first-child) { text-align: right; }
.numeric td { white-space: nowrap; }
.latent { display: grid; gap: .5rem 1.5rem; margin-bottom: .75rem; padding: 1rem;
  grid-template-columns: 15rem minmax(0, 1fr); }
.latent > * { min-width: 0; }
.latent dl { margin-bottom: .6rem; color: var(--soft); font-size: .875rem; }
.latent dl div { display: flex; flex-wrap: wrap; gap: 0 .75rem; justify-content: space-between; }
.latent dt { min-width: 0; overflow-wrap: anywhere; }
.latent dd { flex: none; margin-left: auto; color: var(--ink); font-variant-numeric: tabular-nums; }
.latent ol { margin: 0; padding: 0; list-style: none; }
.latent li { display: flex; gap: .75rem; padding: .25rem 0; border-top: 1px solid var(--line); }
.latent li:first-child { border-top: 0; }
.latent h4 { margin: .5rem 0 0; font-size: .9375rem; font-weight: 600; overflow-wrap: anywhere; }
.latent h4:first-child { margin-top: 0; }
.latent h4 small { color: var(--soft); font-weight: 400; }
.latent .whole { grid-column: 1 / -1; }
.latent .whole .wide { padding: 0; border: 0; }
.latent .graph { margin-top: .75rem; overflow-x: auto; }
.latent .graph svg { min-width: 44rem; max-width: none; }
.peak { flex: none; width: 3.25rem; color: var(--soft); font-size: .8125rem; line-height: 1.7;
  text-align: right; font-variant-numeric: tabular-nums; }
.text { min-width: 0; font-size: .9375em; white-space: pre-wrap; overflow-wrap: anywhere; }
.text span, .text mark { border-radius: 3px; color: inherit;
  background: rgb(var(--heat) / calc(var(--a) * .75)); }
.text mark { font-weight: 700; text-decoration: underline; text-underline-offset: 3px; }
footer { margin-top: 2.5rem; color: var(--soft); font-size: .8125rem; }
@media screen and (max-width: 44rem) {
  .latent { grid-template-columns: minmax(0, 1fr); }
  .latent header svg { max-width: 17.5rem; }
  .numbers { grid-template-columns: repeat(2, 1fr); }
  th { white-space: normal; }
  th:not(:last-child), td:not(:last-child) { padding-right: .6rem; }
  .prose thead { display: none; }
  .prose tr, .prose tbody th, .prose td:is(:last-child, :not(:last-child)) { display: block;
    width: auto; }
  .prose td { padding-top: 0; border-top: 0; }
  .prose td::before { content: attr(data-head) ": "; color: var(--soft); }
  .prose tbody th { font-weight: 600; }
}
@media print {
  .latent .graph svg, figure.broad svg { min-width: 0; }
  :root { --page: #fff; font-size: 12px; }
  body { max-width: none; padding: 0; font-size: 11px; }
  .plots { grid-template-columns: 1fr 1fr; }
  .wide, figure, .latent .graph { overflow: visible; }
  .wide, .latent { box-decoration-break: clone; }
  .latent { grid-template-columns: 14rem minmax(0, 1fr); }
  .text span, .text mark, .scale span { print-color-adjust: exact; }
  .numeric { font-size: 10px; }
  .numeric th, .numeric td { padding-right: .4rem; }
  .numeric td { white-space: normal; overflow-wrap: normal; }
  .numeric th { font-size: inherit; white-space: normal; }
  .numeric thead th:not(:first-child) { overflow-wrap: anywhere; }
  caption { max-width: none; }
  figure, tr, .graph, .latent:not(:has(.whole)) { break-inside: avoid; }
  h2, caption { break-after: avoid; }
}
`;
