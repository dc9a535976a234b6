import { defineKernel, read, when, write } from "./define.ts";
import { shareRow } from "./prelude.ts";

/**
 * Processes the entries of each row in order. With the residual r of its row, entry j writes dots[j] =
 * r · w[places[j]] and changes r to r − values[j] · w[places[j]]. With `restart`, an entry whose place has
 * the top bit set starts from the row of `base` again. With `two`, places from `split` on are rows of `more`.
 *
 * The new residual does not depend on the dot, so that lanes synchronize only once per 32 entries, to add up
 * their parts: one workgroup of 64 lanes per row, each with every 64th column.
 */
export function walkEntries<Restart extends boolean, Two extends boolean>(
  { d, restart, two }: { d: number; restart: Restart; two: Two },
) {
  const { turns, each } = shareRow(d, 64);
  return defineKernel({
    label: "walk entries",
    sizes: { rows: "u32", split: "u32" },
    bind: {
      offsets: read("u32"),
      places: read("u32"),
      values: read("f32"),
      w: read("f32"),
      more: when(two, read("f32")),
      residual: write("f32"),
      dots: write("f32"),
      base: when(restart, read("f32")),
    },
    workgroup: 64,
    // Stride 65: with 64 all lanes that add up would access the same memory bank.
    globals: ["var<workgroup> shares: array<f32, 2080>;"],
    body: `
  let row = group;
  if (row >= sizes.rows) { return; }
  let end = offsets[row + 1u];
  let own = row * ${d}u + lane;
${turns.map((j) => `  var r${j} = 0.0;`).join("\n")}
${each((j) => `r${j} = residual[own + ${j}u];`)}
  for (var first = offsets[row]; first < end; first += 32u) {
    let taken = min(32u, end - first);
    for (var i = 0u; i < taken; i++) {
      let place = places[first + i];
${
      restart
        ? `      if ((place & 0x80000000u) != 0u) {
${each((j) => `r${j} = base[own + ${j}u];`, "        ")}
      }`
        : ""
    }
      let latent = place & 0x7fffffffu;
${
      two
        ? `      let other = latent >= sizes.split;
      let at = select(latent, latent - sizes.split, other) * ${d}u + lane;`
        : `      let at = latent * ${d}u + lane;`
    }
      let value = values[first + i];
      var share = 0.0;
${
      each((j) => {
        const w = two
          ? `var w${j} = 0.0; if (other) { w${j} = more[at + ${j}u]; } else { w${j} = w[at + ${j}u]; }`
          : `let w${j} = w[at + ${j}u];`;
        return `{ ${w} share += r${j} * w${j}; r${j} -= value * w${j}; }`;
      }, "      ")
    }
      shares[i * 65u + lane] = share;
    }
    workgroupBarrier();
    if (lane < taken) {
      var sum = 0.0;
      for (var i = 0u; i < 64u; i++) { sum += shares[lane * 65u + i]; }
      dots[first + lane] = sum;
    }
    workgroupBarrier();
  }
${each((j) => `residual[own + ${j}u] = r${j};`)}`,
  });
}
