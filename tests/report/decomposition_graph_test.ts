import { assert, assertEquals, assertRejects } from "@std/assert";
import { decompositionGraph } from "../../lib/report/decomposition_graph.ts";
import { heatMap } from "../../lib/report/heat_map.ts";
import { number, readSvg } from "./read_svg.ts";

const META = [
  { label: "scientists", weight: 0.3 },
  { label: "Germany & <Prussia>", weight: 0.6 },
  { label: "physics", weight: 0.1 },
];
const LATENTS = [
  { label: "Goethe", shared: [{ metaLatent: 1, weight: 0.5 }] },
  { label: "Curie", shared: [{ metaLatent: 0, weight: 0.4 }, { metaLatent: 2, weight: 0.2 }] },
];

Deno.test("a decomposition is drawn with a line for each weight, as broad as it is large", async () => {
  const { svg } = await decompositionGraph({
    ...{ label: "Einstein", metaLatents: META, latents: LATENTS },
  });
  const { marks, words } = readSvg(svg);
  const widths = marks("link").map((link) => number(link, "stroke-width"));
  assertEquals(widths, [3.5, 6.5, 1.5, 5.5, 4.5, 2.5]);
  for (const label of ["Einstein", "scientists", "physics", "Goethe", "Curie"]) {
    assert(words.includes(label), label);
  }
  assert(words.includes("Germany & <Prussia>"));
  // The strongest meta-latent stands on the left with the latent that has it, the next on the right.
  const x = (label: string) =>
    Number(svg.match(new RegExp(`translate\\(([\\d.]+),[^>]*>${label}`))![1]);
  assert(x("Goethe") < x("Germany") && x("Germany") < x("Einstein"));
  assert(x("Einstein") < x("scientists") && x("scientists") < x("Curie"));
  const long = await decompositionGraph({ label: "x".repeat(60), metaLatents: [], latents: [] });
  assert(readSvg(long.svg).words.some((word) => /^x+…x+$/.test(word)));
  assert(long.svg.includes(`<title>${"x".repeat(60)}</title>`));
  await assertRejects(
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

Deno.test("a heat map has a cell for each number, blue above zero, orange below", async () => {
  const options = { title: "a < b", rowNames: ["one", "two"], colNames: ["x", "y", "long name"] };
  const { svg } = await heatMap([[1, -0.5, 0], [-0.001, NaN, 0.25]], options);
  const { words, marks } = readSvg(svg);
  const opacities = (fill: string) =>
    marks("cell").filter((cell) => cell.getAttribute("fill") === fill)
      .map((cell) => number(cell, "fill-opacity"));
  assertEquals(marks("cell").length, 6);
  assertEquals(opacities("#2563c9"), [0.94, 0.04, 0.04, 0.27]);
  assertEquals(opacities("#c2570c"), [0.49, 0.04]);
  for (const word of ["a < b", "x", "y", "long name", "one", "two"]) assert(words.includes(word));
  assertEquals(words.filter((word) => /^[−–\d]/.test(word)).sort(), [
    ...["0.00", "0.00", "0.25", "1.00", "–", "−0.50"],
  ]);
  // Small cells have no room for numbers; names need not differ.
  const small = { title: "t", rowNames: ["r", "r"], colNames: ["r"], cell: 10 };
  const drawn = readSvg((await heatMap([[1], [1]], small)).svg);
  assert(!drawn.words.includes("1.00"));
  assertEquals(drawn.marks("cell").length, 2);
  await assertRejects(
    () => heatMap([[1]], { ...options, rowNames: [] }),
    RangeError,
    "there are 1 rows and 0 names",
  );
  await assertRejects(
    () => heatMap([[1]], { ...options, rowNames: ["r"] }),
    RangeError,
    "row 0 has 1 values, expected 3",
  );
});
