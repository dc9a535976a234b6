struct Sizes { rows: u32, cols: u32, firstRow: u32, wanted: u32, firstKept: u32 }
@group(0) @binding(0) var<uniform> sizes: Sizes;
@group(0) @binding(1) var<storage, read> z: array<vec4u>;
@group(0) @binding(2) var<storage, read_write> threshold: array<u32>;
@group(0) @binding(3) var<storage, read_write> quota: array<u32>;
@group(0) @binding(4) var<storage, read_write> kept: array<u32>;
var<workgroup> counts: array<atomic<u32>, 256>;
var<workgroup> sums: array<u32, 64>;
var<workgroup> found: array<u32, 4>;
var<workgroup> near: array<u32, 256>;
var<workgroup> nearCount: atomic<u32>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) groupId: vec3u,
  @builtin(num_workgroups) groupCount: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let groups = groupCount.x * groupCount.y;
  let group = groupId.x + groupId.y * groupCount.x;
  let thread = group * 64u + lane;
  let row = group;
  if (row >= sizes.rows) { return; }
  let candidates = sizes.cols;
  if (sizes.wanted <= 64u) {
    var own = 0u;
    for (var i = lane; i < candidates / 4u; i += 64u) {
      let numbers = z[row * (sizes.cols / 4u) + i];
      own = max(own, numbers.x);
      own = max(own, numbers.y);
      own = max(own, numbers.z);
      own = max(own, numbers.w);
    }
    sums[lane] = own;
    workgroupBarrier();
    var ahead = 0u;
    for (var i = 0u; i < 64u; i++) {
      let other = sums[i];
      ahead += select(0u, 1u, other > own || (other == own && i < lane));
    }
    if (ahead + 1u == sizes.wanted) { found[0] = max(own, 1u); }
    workgroupBarrier();
    let least = found[0];
    for (var i = lane; i < candidates / 4u; i += 64u) {
      let numbers = z[row * (sizes.cols / 4u) + i];
      if (numbers.x >= least) {
        let at = atomicAdd(&nearCount, 1u);
        if (at < 256u) { near[at] = numbers.x; }
      }
      if (numbers.y >= least) {
        let at = atomicAdd(&nearCount, 1u);
        if (at < 256u) { near[at] = numbers.y; }
      }
      if (numbers.z >= least) {
        let at = atomicAdd(&nearCount, 1u);
        if (at < 256u) { near[at] = numbers.z; }
      }
      if (numbers.w >= least) {
        let at = atomicAdd(&nearCount, 1u);
        if (at < 256u) { near[at] = numbers.w; }
      }
    }
    let reached = workgroupUniformLoad(&nearCount);
    if (reached <= 256u) {
      if (lane == 0u && reached < sizes.wanted) {
        threshold[sizes.firstRow + row] = 0u;
        quota[sizes.firstRow + row] = 0u;
        kept[sizes.firstKept + row] = reached;
      }
      for (var i = lane; i < reached; i += 64u) {
        let value = near[i];
        var above = 0u;
        var equal = 0u;
        var first = true;
        for (var j = 0u; j < reached; j++) {
          above += select(0u, 1u, near[j] > value);
          equal += select(0u, 1u, near[j] == value);
          first = first && (j >= i || near[j] != value);
        }
        if (first && above < sizes.wanted && above + equal >= sizes.wanted) {
          threshold[sizes.firstRow + row] = value;
          quota[sizes.firstRow + row] = sizes.wanted - above;
          kept[sizes.firstKept + row] = sizes.wanted;
        }
      }
      return;
    }
  }
  var prefix = 0u;
  var remaining = sizes.wanted;
{
  for (var bin = lane; bin < 256u; bin += 64u) { atomicStore(&counts[bin], 0u); }
  workgroupBarrier();
  for (var i = lane; i < candidates; i += 64u) {
    let value = z[(row * sizes.cols + i) / 4u][(row * sizes.cols + i) % 4u];
    if (value != 0u) {
      atomicAdd(&counts[(value >> 23u) & 255u], 1u);
    }
  }
  workgroupBarrier();
  let top = 255u - lane * 4u;
  var own = 0u;
  for (var i = 0u; i < 4u; i++) { own += atomicLoad(&counts[top - i]); }
  sums[lane] = own;
  workgroupBarrier();
  var passed = 0u;
  for (var i = 0u; i < lane; i++) { passed += sums[i]; }
  if (passed < remaining && passed + own >= remaining) {
    for (var i = 0u; i < 4u; i++) {
      let here = atomicLoad(&counts[top - i]);
      if (passed + here >= remaining) {
        found[0] = prefix | ((top - i) << 23u);
        found[1] = remaining - passed;
        break;
      }
      passed += here;
    }
  }
  if (lane == 63u && passed + own < remaining) {
    found[2] = 1u;
    found[3] = passed + own;
  }
  let chosen = workgroupUniformLoad(&found);
  prefix = chosen[0];
  remaining = chosen[1];
  if (chosen[2] != 0u) {
    if (lane == 0u) {
      threshold[sizes.firstRow + row] = 0u;
      quota[sizes.firstRow + row] = 0u;
      kept[sizes.firstKept + row] = chosen[3];
    }
    return;
  }
}
{
  for (var bin = lane; bin < 256u; bin += 64u) { atomicStore(&counts[bin], 0u); }
  workgroupBarrier();
  for (var i = lane; i < candidates; i += 64u) {
    let value = z[(row * sizes.cols + i) / 4u][(row * sizes.cols + i) % 4u];
    if (value != 0u && (value >> 23u) == (prefix >> 23u)) {
      atomicAdd(&counts[(value >> 15u) & 255u], 1u);
    }
  }
  workgroupBarrier();
  let top = 255u - lane * 4u;
  var own = 0u;
  for (var i = 0u; i < 4u; i++) { own += atomicLoad(&counts[top - i]); }
  sums[lane] = own;
  workgroupBarrier();
  var passed = 0u;
  for (var i = 0u; i < lane; i++) { passed += sums[i]; }
  if (passed < remaining && passed + own >= remaining) {
    for (var i = 0u; i < 4u; i++) {
      let here = atomicLoad(&counts[top - i]);
      if (passed + here >= remaining) {
        found[0] = prefix | ((top - i) << 15u);
        found[1] = remaining - passed;
        break;
      }
      passed += here;
    }
  }
  
  let chosen = workgroupUniformLoad(&found);
  prefix = chosen[0];
  remaining = chosen[1];
  if (chosen[2] != 0u) {
    if (lane == 0u) {
      threshold[sizes.firstRow + row] = 0u;
      quota[sizes.firstRow + row] = 0u;
      kept[sizes.firstKept + row] = chosen[3];
    }
    return;
  }
}
{
  for (var bin = lane; bin < 256u; bin += 64u) { atomicStore(&counts[bin], 0u); }
  workgroupBarrier();
  for (var i = lane; i < candidates; i += 64u) {
    let value = z[(row * sizes.cols + i) / 4u][(row * sizes.cols + i) % 4u];
    if (value != 0u && (value >> 15u) == (prefix >> 15u)) {
      atomicAdd(&counts[(value >> 7u) & 255u], 1u);
    }
  }
  workgroupBarrier();
  let top = 255u - lane * 4u;
  var own = 0u;
  for (var i = 0u; i < 4u; i++) { own += atomicLoad(&counts[top - i]); }
  sums[lane] = own;
  workgroupBarrier();
  var passed = 0u;
  for (var i = 0u; i < lane; i++) { passed += sums[i]; }
  if (passed < remaining && passed + own >= remaining) {
    for (var i = 0u; i < 4u; i++) {
      let here = atomicLoad(&counts[top - i]);
      if (passed + here >= remaining) {
        found[0] = prefix | ((top - i) << 7u);
        found[1] = remaining - passed;
        break;
      }
      passed += here;
    }
  }
  
  let chosen = workgroupUniformLoad(&found);
  prefix = chosen[0];
  remaining = chosen[1];
  if (chosen[2] != 0u) {
    if (lane == 0u) {
      threshold[sizes.firstRow + row] = 0u;
      quota[sizes.firstRow + row] = 0u;
      kept[sizes.firstKept + row] = chosen[3];
    }
    return;
  }
}
{
  for (var bin = lane; bin < 256u; bin += 64u) { atomicStore(&counts[bin], 0u); }
  workgroupBarrier();
  for (var i = lane; i < candidates; i += 64u) {
    let value = z[(row * sizes.cols + i) / 4u][(row * sizes.cols + i) % 4u];
    if (value != 0u && (value >> 7u) == (prefix >> 7u)) {
      atomicAdd(&counts[(value >> 0u) & 127u], 1u);
    }
  }
  workgroupBarrier();
  let top = 255u - lane * 4u;
  var own = 0u;
  for (var i = 0u; i < 4u; i++) { own += atomicLoad(&counts[top - i]); }
  sums[lane] = own;
  workgroupBarrier();
  var passed = 0u;
  for (var i = 0u; i < lane; i++) { passed += sums[i]; }
  if (passed < remaining && passed + own >= remaining) {
    for (var i = 0u; i < 4u; i++) {
      let here = atomicLoad(&counts[top - i]);
      if (passed + here >= remaining) {
        found[0] = prefix | ((top - i) << 0u);
        found[1] = remaining - passed;
        break;
      }
      passed += here;
    }
  }
  
  let chosen = workgroupUniformLoad(&found);
  prefix = chosen[0];
  remaining = chosen[1];
  if (chosen[2] != 0u) {
    if (lane == 0u) {
      threshold[sizes.firstRow + row] = 0u;
      quota[sizes.firstRow + row] = 0u;
      kept[sizes.firstKept + row] = chosen[3];
    }
    return;
  }
}
  if (lane == 0u) {
    threshold[sizes.firstRow + row] = prefix;
    quota[sizes.firstRow + row] = remaining;
    kept[sizes.firstKept + row] = sizes.wanted;
  }
}
