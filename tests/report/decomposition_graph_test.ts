import { assert, assertEquals, assertThrows } from "@std/assert";
import { decompositionGraph } from "../../lib/report/decomposition_graph.ts";
import { heatMap } from "../../lib/report/heat_map.ts";

const META = [
  { label: "scientists", weight: 0.3 },
  { label: "Germany & <Prussia>", weight: 0.6 },
  { label: "physics", weight: 0.1 },
];
const LATENTS = [
  { label: "Goethe", shared: [{ metaLatent: 1, weight: 0.5 }] },
  { label: "Curie", shared: [{ metaLatent: 0, weight: 0.4 }, { metaLatent: 2, weight: 0.2 }] },
];

Deno.test("a decomposition is drawn with a line for each weight, as broad as it is large", () => {
  const svg = decompositionGraph({ label: "Einstein", metaLatents: META, latents: LATENTS });
  const widths = [...svg.matchAll(/stroke-width="([\d.]+)"/g)].map(([, width]) => Number(width));
  assertEquals(widths, [3.5, 6.5, 1.5, 5.5, 4.5, 2.5]);
  for (const label of ["Einstein", "scientists", "physics", "Goethe", "Curie"]) {
    assert(svg.includes(`>${label}</text>`), label);
  }
  assert(svg.includes("Germany &amp; &lt;Prussia&gt;") && !svg.includes("NaN"));
  // The strongest meta-latent stands on the left with the latent that has it, the next on the right.
  const x = (label: string) =>
    Number(svg.match(new RegExp(`<text x="([\\d.]+)"[^>]*>${label}`))![1]);
  assert(x("Goethe") < x("Germany") && x("Germany") < x("Einstein"));
  assert(x("Einstein") < x("scientists") && x("scientists") < x("Curie"));
  const long = decompositionGraph({ label: "x".repeat(60), metaLatents: [], latents: [] });
  assert(long.includes("x…</text>") && long.includes(`<title>${"x".repeat(60)}</title>`));
  assertThrows(
    () =>
      decompositionGraph({
        label: "a",
        metaLatents: META,
        latents: [{ label: "b", shared: [{ metaLatent: 3, weight: 1 }] }],
      }),
    RangeError,
    "latent b shares meta-latent 3, expected one below 3",
  );
});

Deno.test("a heat map has a cell for each number, blue above zero, orange below", () => {
  const options = { title: "a < b", rowNames: ["one", "two"], colNames: ["x", "y", "long name"] };
  const svg = heatMap([[1, -0.5, 0], [-0.001, NaN, 0.25]], options);
  const cells = [...svg.matchAll(/fill="(#\w+)" fill-opacity="([\d.]+)"/g)].map((cell) =>
    cell.slice(1)
  );
  assertEquals(cells, [
    ...[["#2563c9", "0.94"], ["#c2570c", "0.49"], ["#2563c9", "0.04"]],
    ...[["#c2570c", "0.04"], ["#2563c9", "0.04"], ["#2563c9", "0.27"]],
  ]);
  const words = [...svg.matchAll(/>([^<>]*)<\/text>/g)].map(([, word]) => word);
  assertEquals(words, [
    ...["a &lt; b", "x", "y", "long name"],
    ...["one", "1.00", "−0.50", "0.00", "two", "0.00", "–", "0.25"],
  ]);
  // Small cells have no room for numbers.
  assert(
    !heatMap([[1]], { title: "t", rowNames: ["r"], colNames: ["c"], cell: 10 }).includes("1.00"),
  );
  assertThrows(
    () => heatMap([[1]], { ...options, rowNames: [] }),
    RangeError,
    "there are 1 rows and 0 names",
  );
  assertThrows(
    () => heatMap([[1]], { ...options, rowNames: ["r"] }),
    RangeError,
    "row 0 has 1 values, expected 3",
  );
});
