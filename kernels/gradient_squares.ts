import { defineKernel, read, when, write } from "./define.ts";
import { shareRow, sumOver } from "./prelude.ts";

/**
 * Squared norm of each latent's gradient, gathered as in `updateRows`: squares[i] = ‖g‖², g = Σ_j factor[j] ·
 * source[row[j]]; with `dense` it is read from gradient [latents, d]. One workgroup per latent.
 *
 * - `decoder`: source is the residual; the component of g along the latent's row of w is removed first.
 * - encoder: source is the encoder's input, whose rows repeat after `half`. Its ‖g‖² is added to what
 *   squares holds.
 */
export function gradientSquares<Decoder extends boolean, Dense extends boolean>(
  { d, decoder, dense }: { d: number; decoder: Decoder; dense: Dense },
) {
  const gathered = !dense as Dense extends true ? false : true;
  const { turns, each } = shareRow(d, 64);
  return defineKernel({
    label: "gradient squares",
    sizes: { latents: "u32", firstLatent: "u32", half: "u32" },
    bind: {
      source: when(gathered, read("f32")),
      latentOffsets: when(gathered, read("u32")),
      rows: when(gathered, read("u32")),
      factors: when(gathered, read("vec2f")),
      gradient: when(dense, read("f32")),
      squares: write("f32"),
      w: when(decoder, read("f32")),
    },
    workgroup: 64,
    globals: [sumOver(64, "vec2f")],
    body: `
  let latent = group;
  if (latent >= sizes.latents) { return; }
${turns.map((j) => `  var g${j} = 0.0;`).join("\n")}
${
      dense
        ? each((j) => `g${j} = gradient[latent * ${d}u + lane + ${j}u];`)
        : `  let end = latentOffsets[sizes.firstLatent + latent + 1u];
  for (var entry = latentOffsets[sizes.firstLatent + latent]; entry < end; entry++) {
    let sample = rows[entry];
    let factor = factors[entry].${decoder ? "x" : "y"};
    let begin = ${
          decoder ? "sample" : "select(sample - sizes.half, sample, sample < sizes.half)"
        } * ${d}u + lane;
${each((j) => `g${j} += factor * source[begin + ${j}u];`, "    ")}
  }`
    }
${
      decoder
        ? `  let at = latent * ${d}u + lane;
${turns.map((j) => `  var w${j} = 0.0;`).join("\n")}
${each((j) => `w${j} = w[at + ${j}u];`)}
  let along = total(lane, ${turns.map((j) => `vec2f(g${j} * w${j}, w${j} * w${j})`).join(" + ")});
  let parallel = select(0.0, along.x / along.y, along.y > 0.0);
${turns.map((j) => `  g${j} -= parallel * w${j};`).join("\n")}`
        : ""
    }
  let own = total(lane, vec2f(${turns.map((j) => `g${j} * g${j}`).join(" + ")}, 0.0)).x;
  if (lane == 0u) {
    squares[sizes.firstLatent + latent] = own${
      decoder ? "" : " + squares[sizes.firstLatent + latent]"
    };
  }`,
  });
}
