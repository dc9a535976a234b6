/**
 * Verdicts on the paper's claims: yes, no, or not decided with the reason, with the numbers of one run. They
 * rest on 95 % intervals and controls.
 *
 * @module
 */
export type { Claim } from "./verdict.ts";
export { metaClaims } from "./meta_claims.ts";
export { type PairClaims, pairClaims, stitchingClaims } from "./stitching_claims.ts";
