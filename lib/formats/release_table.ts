// Made by tests/peers/release_table.py from SAELens's registry. Not to be edited.

/** Gemma Scope's canonical SAEs: release and width → average L0 of each layer's, which names their folder. */
export const CANONICAL_L0: Readonly<Record<string, string>> = {
  "gemma-scope-27b-pt-res/width_131k":
    "- - - - - - - - - - 106 - - - - - - - - - - - 82 - - - - - - - - - - - 72",
  "gemma-scope-2b-pt-att/width_16k":
    "104 79 93 117 116 135 61 99 129 127 70 80 85 92 71 98 71 79 72 122 62 65 106 73 96 77",
  "gemma-scope-2b-pt-att/width_65k":
    "75 98 125 83 87 99 112 96 112 107 67 75 79 87 66 90 129 70 123 106 102 118 112 140 77 63",
  "gemma-scope-2b-pt-mlp/width_16k":
    "119 105 95 95 85 114 133 60 136 88 110 98 108 112 97 80 72 68 106 109 109 113 121 128 73 126",
  "gemma-scope-2b-pt-mlp/width_65k":
    "72 127 134 68 66 86 101 115 110 77 95 88 96 98 89 72 66 136 88 88 88 86 92 102 128 107",
  "gemma-scope-2b-pt-res/width_16k":
    "105 102 141 59 124 68 70 69 71 73 77 80 82 84 84 78 78 77 74 73 71 70 72 75 73 116",
  "gemma-scope-2b-pt-res/width_1m": "- - - - - 114 - - - - - - 107 - - - - - - 88",
  "gemma-scope-2b-pt-res/width_262k": "- - - - - - - - - - - - 121",
  "gemma-scope-2b-pt-res/width_32k": "- - - - - - - - - - - - 76",
  "gemma-scope-2b-pt-res/width_524k": "- - - - - - - - - - - - 115",
  "gemma-scope-2b-pt-res/width_65k":
    "73 121 77 89 89 105 107 107 111 118 128 70 72 75 73 127 128 125 116 115 114 111 116 123 124 93",
  "gemma-scope-9b-it-res/width_16k":
    "- - - - - - - - - 88 - - - - - - - - - - 91 - - - - - - - - - - 76",
  "gemma-scope-9b-it-res/width_131k":
    "- - - - - - - - - 121 - - - - - - - - - - 81 - - - - - - - - - - 109",
  "gemma-scope-9b-pt-att/width_16k":
    "61 77 69 102 126 125 108 70 65 71 132 67 68 77 81 79 81 110 80 86 76 86 70 80 79 73 75 136 71 76 73 73 74 78 91 77 69 82 81 77 91 129",
  "gemma-scope-9b-pt-att/width_131k":
    "55 116 135 119 75 78 73 106 98 111 97 104 110 126 131 130 71 90 69 71 125 71 115 66 130 115 120 102 115 128 109 117 117 128 63 124 105 124 135 120 64 92",
  "gemma-scope-9b-pt-mlp/width_16k":
    "50 128 81 126 66 93 96 101 124 83 114 76 96 94 97 107 91 104 89 98 108 88 85 73 73 72 142 126 115 111 116 94 98 107 107 108 109 119 98 90 74 126",
  "gemma-scope-9b-pt-mlp/width_131k":
    "30 106 61 109 84 131 72 75 89 129 83 120 77 75 80 89 81 91 82 85 93 79 77 67 67 65 110 99 91 87 89 77 76 83 82 80 81 90 79 75 125 99",
  "gemma-scope-9b-pt-res/width_16k":
    "129 69 67 90 91 77 93 92 99 100 113 118 130 132 67 131 75 73 71 132 68 129 123 120 114 114 116 118 119 119 120 114 111 114 114 120 120 124 128 131 125 113",
  "gemma-scope-9b-pt-res/width_131k":
    "41 56 70 103 101 94 120 119 72 75 84 88 96 99 105 103 121 117 113 110 114 109 105 101 97 96 97 96 98 97 95 92 88 91 89 94 93 96 101 99 94 84",
  "gemma-scope-9b-pt-res/width_1m":
    "- - - - - - - - - 122 - - - - - - - - - - 101 - - - - - - - - - - 77",
  "gemma-scope-9b-pt-res/width_32k": "- - - - - - - - - - - - - - - - - - - - 57",
  "gemma-scope-9b-pt-res/width_524k": "- - - - - - - - - - - - - - - - - - - - 48",
  "gemma-scope-9b-pt-res/width_65k": "- - - - - - - - - - - - - - - - - - - - 55",
};

/** Llama Scope R1: millions of tokens of SlimPajama → what inputs are multiplied by, layer by layer. */
export const R1_INPUT_SCALES: Readonly<Record<string, string>> = {
  "800":
    "53.529954 37.0745723 26.801272 20.2587858 16.3562032 13.7727309 11.8026426 10.3456221 9.5271122 8.72280255 8.18737461 7.68140944 7.01147096 6.50785184 6.07583084 5.52932951 5.04125766 4.54306025 4.13607377 3.81867784 3.49976621 3.11487516 2.85867764 2.61436202 2.40659327 2.21855405 2.03862883 1.86640549 1.6914743 1.53038906 1.33786422 1.09630257",
  "400":
    "53.9767303 36.7699579 26.8632955 20.4735224 16.4914339 13.9025292 11.9591859 10.4546851 9.62584975 8.70544315 8.08849891 7.4495784 6.80144905 6.33171124 5.7028423 5.31804137 4.79639347 4.33355409 3.93868391 3.58404506 3.41228504 2.99301885 2.75487178 2.52819427 2.32685119 2.10106865 1.93611894 1.77846601 1.66350495 1.44885321 1.15700876 1.041978",
  "0":
    "54.3087911 36.4947303 26.9612639 20.522102 16.6773354 14.067505 12.0343387 10.4956628 9.68300416 8.6797305 7.98838397 7.23753114 6.69444885 6.04898581 5.49359299 4.97086053 4.54188787 4.11129289 3.73190095 3.44642184 3.16141633 2.86002605 2.63615717 2.4287398 2.24059788 2.0346591 1.84300546 1.65544233 1.47707044 1.33615432 1.13874542 0.926395749",
};

/** Releases whose paths follow from no rule: release → SAE's id → path. */
export const ODD_PATHS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  "gemma-2b-res-jb": {
    "blocks.0.hook_resid_post": "gemma_2b_blocks.0.hook_resid_post_16384_anthropic",
    "blocks.6.hook_resid_post": "gemma_2b_blocks.6.hook_resid_post_16384_anthropic_fast_lr",
    "blocks.10.hook_resid_post": "gemma_2b_blocks.10.hook_resid_post_16384",
    "blocks.12.hook_resid_post": "gemma_2b_blocks.12.hook_resid_post_16384",
    "blocks.17.hook_resid_post": "gemma_2b_blocks.17.hook_resid_post_16384",
  },
  "gpt2-small-hook-z-kk": {
    "blocks.0.hook_z":
      "gpt2-small_L0_Hcat_z_lr1.20e-03_l11.80e+00_ds24576_bs4096_dc1.00e-06_rsanthropic_rie25000_nr4_v9.pt",
    "blocks.1.hook_z":
      "gpt2-small_L1_Hcat_z_lr1.20e-03_l18.00e-01_ds24576_bs4096_dc1.00e-06_rsanthropic_rie25000_nr4_v5.pt",
    "blocks.2.hook_z":
      "gpt2-small_L2_Hcat_z_lr1.20e-03_l11.00e+00_ds24576_bs4096_dc1.00e-06_rsanthropic_rie25000_nr4_v4.pt",
    "blocks.3.hook_z":
      "gpt2-small_L3_Hcat_z_lr1.20e-03_l19.00e-01_ds24576_bs4096_dc1.00e-06_rsanthropic_rie25000_nr4_v9.pt",
    "blocks.4.hook_z":
      "gpt2-small_L4_Hcat_z_lr1.20e-03_l11.10e+00_ds24576_bs4096_dc1.00e-06_rsanthropic_rie25000_nr4_v7.pt",
    "blocks.5.hook_z":
      "gpt2-small_L5_Hcat_z_lr1.20e-03_l11.00e+00_ds49152_bs4096_dc1.00e-06_rsanthropic_rie25000_nr4_v9.pt",
    "blocks.6.hook_z":
      "gpt2-small_L6_Hcat_z_lr1.20e-03_l11.10e+00_ds24576_bs4096_dc1.00e-06_rsanthropic_rie25000_nr4_v9.pt",
    "blocks.7.hook_z":
      "gpt2-small_L7_Hcat_z_lr1.20e-03_l11.10e+00_ds49152_bs4096_dc1.00e-06_rsanthropic_rie25000_nr4_v9.pt",
    "blocks.8.hook_z":
      "gpt2-small_L8_Hcat_z_lr1.20e-03_l11.30e+00_ds24576_bs4096_dc1.00e-05_rsanthropic_rie25000_nr4_v6.pt",
    "blocks.9.hook_z":
      "gpt2-small_L9_Hcat_z_lr1.20e-03_l11.20e+00_ds24576_bs4096_dc1.00e-06_rsanthropic_rie25000_nr4_v9.pt",
    "blocks.10.hook_z":
      "gpt2-small_L10_Hcat_z_lr1.20e-03_l11.30e+00_ds24576_bs4096_dc1.00e-05_rsanthropic_rie25000_nr4_v9.pt",
    "blocks.11.hook_z":
      "gpt2-small_L11_Hcat_z_lr1.20e-03_l13.00e+00_ds24576_bs4096_dc3.16e-06_rsanthropic_rie25000_nr4_v9.pt",
  },
  "gpt2-small-mlp-tm": {
    "blocks.0.hook_mlp_out": "sae_group_gpt2_blocks.0.hook_mlp_out_24576:v1",
    "blocks.1.hook_mlp_out": "sae_group_gpt2_blocks.1.hook_mlp_out_24576:v0",
    "blocks.2.hook_mlp_out": "sae_group_gpt2_blocks.2.hook_mlp_out_24576:v0",
    "blocks.3.hook_mlp_out": "sae_group_gpt2_blocks.3.hook_mlp_out_24576:v0",
    "blocks.4.hook_mlp_out": "sae_group_gpt2_blocks.4.hook_mlp_out_24576:v0",
    "blocks.5.hook_mlp_out": "sae_group_gpt2_blocks.5.hook_mlp_out_24576:v0",
    "blocks.6.hook_mlp_out": "sae_group_gpt2_blocks.6.hook_mlp_out_24576:v0",
    "blocks.7.hook_mlp_out": "sae_group_gpt2_blocks.7.hook_mlp_out_24576:v0",
    "blocks.8.hook_mlp_out": "sae_group_gpt2_blocks.8.hook_mlp_out_24576:v1",
    "blocks.9.hook_mlp_out": "sae_group_gpt2_blocks.9.hook_mlp_out_24576:v0",
    "blocks.10.hook_mlp_out": "sae_group_gpt2_blocks.10.hook_mlp_out_24576:v0",
    "blocks.11.hook_mlp_out": "sae_group_gpt2_blocks.11.hook_mlp_out_24576:v2",
  },
};
