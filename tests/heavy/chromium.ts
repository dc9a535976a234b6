// Tests in a browser, skipped with a message if there is none (tests/browser/install.sh).
import "../browser/explorer_in_chromium.ts";
import "../browser/kernels_in_chromium.ts";
import "../browser/keyboard_in_chromium.ts";
import "../browser/own_text_in_chromium.ts";
import "../browser/results_in_chromium.ts";
import "../browser/training_in_chromium.ts";
import "../browser/training_page_in_chromium.ts";
import "../report/pages_in_chromium.ts";
