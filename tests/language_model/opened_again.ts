// Opens and closes a model, arguments FOLDER and how often; prints as JSON the open files and the
// resident bytes after each time. In a process of its own, whose files and memory are countable.
import { openLanguageModel } from "../../lib/language_model/open_language_model.ts";

const [folder, times] = Deno.args;
const files: number[] = [];
const bytes: number[] = [];
for (let i = 0; i < Number(times); i++) {
  const model = await openLanguageModel(folder, { hook: "blocks.1.hook_resid_pre", threads: 1 });
  await model.crossEntropy(Int32Array.of(1, 2), 1);
  await model[Symbol.asyncDispose]();
  files.push([...Deno.readDirSync("/proc/self/fd")].length);
  bytes.push(Deno.memoryUsage().rss);
}
console.log(JSON.stringify({ files, bytes }));
