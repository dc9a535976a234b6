import type { Sae } from "./sae.ts";
import { type StitchedSae, stitchedSides } from "./stitched_sae.ts";

/**
 * A stitched SAE, both of whose SAEs find active latents by threshold, as one ordinary jumprelu SAE:
 * running it costs only the chosen latents.
 *
 * Both encoders read x − b, b being the mixed decoder bias; what a pre-bias of their own differs by goes
 * into the encoder bias: w·(x − b₀) + c = w·(x − b) + (c + w·(b − b₀)). The correction is small where both
 * SAEs subtract their decoder bias, as those are nearly equal (Fig. 20); where one does not it is w·b, kept
 * to a float32. There is none where one SAE gives all latents: then every bit is that of the plain SAE.
 */
export function fuseStitched(stitched: StitchedSae): Sae {
  const { dModel: d, dictSize: m, bDec } = stitched;
  const sides = stitchedSides(stitched);
  const subtractDecoderBias = sides.some(({ sae }) => sae.subtractDecoderBias);
  const fused = {
    wEnc: new Float32Array(m * d),
    bEnc: new Float32Array(m),
    wDec: new Float32Array(m * d),
    threshold: new Float32Array(m),
  };
  for (const { sae, latents, first } of sides) {
    const shift = Float64Array.from(
      bDec,
      (value, c) => subtractDecoderBias ? value - (sae.subtractDecoderBias ? sae.bDec[c] : 0) : 0,
    );
    for (let i = 0; i < latents.length; i++) {
      const [latent, to] = [latents[i], first + i];
      const encoder = sae.wEnc.subarray(latent * d, (latent + 1) * d);
      let bias = sae.bEnc[latent];
      for (let c = 0; c < d; c++) bias += encoder[c] * shift[c];
      fused.wEnc.set(encoder, to * d);
      fused.wDec.set(sae.wDec.subarray(latent * d, (latent + 1) * d), to * d);
      fused.bEnc[to] = bias;
      // A relu SAE is a jumprelu one whose thresholds are zero.
      fused.threshold[to] = sae.threshold?.[latent] ?? 0;
    }
  }
  return {
    ...sides[0].sae,
    ...fused,
    architecture: "jumprelu",
    dictSize: m,
    k: undefined,
    bDec,
    subtractDecoderBias,
    metadata: {},
  };
}
