import type { PairStudy } from "../stitching/study_pair.ts";
import type { Claim } from "./claim.ts";
import { reasonsAgainst } from "./stitching_gates.ts";
import {
  incompleteness,
  missingInformationClaim,
  prediction,
  reconstruction,
  similarityClaim,
  splitting,
} from "./stitching_latent_claims.ts";
import {
  insertions,
  smoothness,
  survival,
  swapsAlone,
  swapsOnThePath,
} from "./stitching_path_claims.ts";

/**
 * The claims of section 4, A.4 and A.7 about two SAEs, with the numbers of one study, and what the shrinkage
 * control says to them.
 *
 * Yes and no need evidence: a 95 % interval on one side of the claim's bound, of at least ten latents,
 * steps or pairs. Changes of the MSE are the latents' own, without what Eq. 5's mixed decoder bias changes
 * by itself. Nothing is decided, whatever the numbers, where the SAEs cannot tell: one of them is worse
 * than the mean, hardly better than random directions or not trained to the end, both come from one seed,
 * have one size or no latents in common, or there are fewer than 1,000 samples. `why` says what kept a claim from being decided.
 */
export function stitchingClaims(study: PairStudy): Claim[] {
  const claims = CLAIMS.map((claim) => claim(study));
  const why = reasonsAgainst(study).join("; ");
  return why === ""
    ? claims
    : claims.map(({ claim, found }) => ({ claim, found, holds: undefined, why }));
}

const CLAIMS: readonly ((study: PairStudy) => Claim)[] = [
  incompleteness,
  missingInformationClaim,
  reconstruction,
  prediction,
  similarityClaim,
  splitting,
  insertions,
  survival,
  swapsOnThePath,
  swapsAlone,
  smoothness,
];
