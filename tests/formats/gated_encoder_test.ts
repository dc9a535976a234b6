import { assert, assertAlmostEquals, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { foldGate } from "../../lib/formats/gated_encoder.ts";
import { encode, openDevice, type Sae } from "../../mod.ts";

const number = fc.integer({ min: -30, max: 30 }).map((tenths) => Math.fround(tenths / 10));

Deno.test("a gated SAE is the jumprelu one that its gate and magnitude fold into", async () => {
  using device = await openDevice({ device: "cpu", workers: 0 });
  const shape = fc.record({ d: fc.integer({ min: 1, max: 5 }), m: fc.integer({ min: 1, max: 6 }) });
  const gated = shape.chain(({ d, m }) => {
    const numbers = (length: number) =>
      fc.array(number, { minLength: length, maxLength: length }).map((values) =>
        Float32Array.from(values)
      );
    return fc.record({
      d: fc.constant(d),
      m: fc.constant(m),
      wEnc: numbers(m * d),
      bias: numbers(m),
      magnitude: numbers(m),
      logScale: numbers(m),
      x: numbers(3 * d),
    });
  });
  let open = 0;
  await fc.assert(
    fc.asyncProperty(gated, async ({ d, m, wEnc, bias, magnitude, logScale, x }) => {
      const folded = { dModel: d, dictSize: m, wEnc: wEnc.slice() };
      const { bEnc, threshold } = foldGate(folded, { bias, magnitude, logScale });
      const sae: Sae = {
        ...folded,
        architecture: "jumprelu",
        bEnc,
        threshold,
        wDec: new Float32Array(m * d),
        bDec: new Float32Array(d),
        subtractDecoderBias: false,
        inputNormalization: "none",
        metadata: {},
      };
      const codes = await encode(device, sae, { data: x, rows: 3, cols: d });
      const found = new Float64Array(3 * m);
      for (let row = 0; row < 3; row++) {
        for (let e = codes.rowOffsets[row]; e < codes.rowOffsets[row + 1]; e++) {
          found[row * m + codes.latents[e]] = codes.values[e];
        }
      }
      for (let at = 0; at < 3 * m; at++) {
        const [row, i] = [Math.floor(at / m), at % m];
        let z = 0;
        for (let c = 0; c < d; c++) z += x[row * d + c] * wEnc[i * d + c];
        // Within rounding of the gate either side is right.
        if (Math.abs(z + bias[i]) < 1e-4) continue;
        const wanted = z + bias[i] > 0 ? Math.max(0, Math.exp(logScale[i]) * z + magnitude[i]) : 0;
        open += wanted > 0 ? 1 : 0;
        assertAlmostEquals(found[at], wanted, 1e-4 * (1 + Math.abs(wanted)));
      }
    }),
    { numRuns: 100 },
  );
  assert(open > 100);
});

Deno.test("a gated SAE whose scale float32 cannot hold is refused", () => {
  const sae = { dModel: 1, dictSize: 2, wEnc: Float32Array.of(1, 1) };
  const zeros = new Float32Array(2);
  for (const bad of [90, -90, NaN]) {
    assertThrows(
      () => foldGate(sae, { bias: zeros, magnitude: zeros, logScale: Float32Array.of(0, bad) }),
      RangeError,
      `r_mag[1] is ${bad}, whose exponential float32 cannot hold`,
    );
  }
  const kept = foldGate(
    { dModel: 1, dictSize: 1, wEnc: Float32Array.of(2) },
    { bias: Float32Array.of(3), magnitude: Float32Array.of(5), logScale: Float32Array.of(0) },
  );
  assertEquals([kept.bEnc[0], kept.threshold[0]], [5, 2]);
});
