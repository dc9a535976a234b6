import { assertEquals } from "@std/assert";

import { studyPair } from "../../lib/stitching/study_pair.ts";
import { makePair, makeRows } from "./made_pair.ts";
import { testOnDevices } from "../gpu_helper.ts";

testOnDevices(
  "studyPair reads the activations as often as it says and frees what it takes",
  async (open) => {
    using gpu = await open();
    const { small, large } = makePair({
      ...{ seed: 1, d: 9, sizes: [20, 33], architectures: ["batchtopk", "topk"] },
    });
    for (const [order, reads] of [["benefit", 13], ["cosine", 12], ["random", 12]] as const) {
      let read = 0;
      const { path, groups } = await studyPair(gpu, small, large, () => {
        read++;
        return makeRows(4, 9, [12]);
      }, { order, threshold: 0.5 });
      assertEquals(read, reads, order);
      assertEquals(path.at(-1)!.largeCount, 33);
      const inserted = path.filter(({ phase }) => phase === "insert");
      assertEquals(inserted.length, groups.largeOnly.length);
      assertEquals(gpu.allocated, 0);
    }
  },
);
