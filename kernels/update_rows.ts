import { defineKernel, read, when, write } from "./define.ts";
import { rowElements, shareRow, step, sumOver } from "./prelude.ts";

/**
 * Gathers each latent's gradient from the samples in which it is active, and takes one step of Adam on its
 * row of w [latents, d], without a gradient buffer: g = Σ_j factor[j] · source[row[j]]. With `dense` the
 * gradients [latents, d] are read from a buffer.
 *
 * - `decoder`: source is the residual; the component of g along the row is removed, and the row is scaled
 *   to norm 1 after the step.
 * - encoder: source is the encoder's input, whose rows repeat after `half` (the second half of the
 *   sparse rows belongs to the auxiliary loss, on the same inputs).
 *
 * All moments decay in every step, as in dense Adam. One workgroup per latent; lanes read four columns at
 * once if 4 divides d, which takes llvmpipe as long as one.
 */
export function updateRows<Dense extends boolean>(
  { d, decoder, dense }: { d: number; decoder: boolean; dense: Dense },
) {
  const { element, width, dot } = rowElements(d);
  // Not more lanes than a row needs; a power of two, as `sumOver` requires.
  const lanes = Math.min(64, Math.max(8, 2 ** Math.ceil(Math.log2(width))));
  const { turns, each } = shareRow(width, lanes);
  const adam = (j: number) =>
    `{
    let m = step.beta1 * first[at + ${j}u] + (1.0 - step.beta1) * g${j};
    let v = step.beta2 * second[at + ${j}u] + (1.0 - step.beta2) * g${j} * g${j};
    first[at + ${j}u] = m;
    second[at + ${j}u] = v;
    w${j} -= step.rate * m / (sqrt(v) * step.correction + step.epsilon);
  }`;
  const gathered = !dense as Dense extends true ? false : true;
  return defineKernel({
    label: decoder ? "update decoder" : "update encoder",
    sizes: { latents: "u32", firstLatent: "u32", half: "u32" },
    bind: {
      step,
      w: write(element),
      first: write(element),
      second: write(element),
      source: when(gathered, read(element)),
      latentOffsets: when(gathered, read("u32")),
      rows: when(gathered, read("u32")),
      factors: when(gathered, read("vec2f")),
      gradient: when(dense, read(element)),
      frozen: read("u32"),
    },
    workgroup: lanes,
    globals: decoder ? [sumOver(lanes, "vec2f")] : [],
    body: `
  let latent = group;
  if (latent >= sizes.latents || frozen[0] != 0u) { return; }
  let at = latent * ${width}u + lane;
${turns.map((j) => `  var g${j} = ${element}(0.0);`).join("\n")}
${
      dense
        ? each((j) => `g${j} = gradient[at + ${j}u];`)
        : `  let end = latentOffsets[sizes.firstLatent + latent + 1u];
  for (var entry = latentOffsets[sizes.firstLatent + latent]; entry < end; entry++) {
    let sample = rows[entry];
    let factor = factors[entry].${decoder ? "x" : "y"};
    let begin = ${
          decoder ? "sample" : "select(sample - sizes.half, sample, sample < sizes.half)"
        } * ${width}u + lane;
${each((j) => `g${j} += factor * source[begin + ${j}u];`, "    ")}
  }`
    }
${turns.map((j) => `  var w${j} = ${element}(0.0);`).join("\n")}
${each((j) => `w${j} = w[at + ${j}u];`)}
${
      decoder
        ? `  let along = total(lane, ${
          turns.map((j) => `vec2f(${dot(`g${j}`, `w${j}`)}, ${dot(`w${j}`, `w${j}`)})`).join(" + ")
        });
  let parallel = select(0.0, along.x / along.y, along.y > 0.0);
${each((j) => `g${j} -= parallel * w${j};`)}`
        : ""
    }
${each(adam)}
${
      decoder
        ? `  let squares = total(lane, vec2f(${
          turns.map((j) => dot(`w${j}`, `w${j}`)).join(" + ")
        }, 0.0)).x;
  let scale = select(0.0, inverseSqrt(squares), squares > 0.0);
${each((j) => `w[at + ${j}u] = w${j} * scale;`)}`
        : each((j) => `w[at + ${j}u] = w${j};`)
    }`,
  });
}
