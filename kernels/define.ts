/** Fields of a uniform struct in order, one word each. */
export type Fields = Readonly<Record<string, "u32" | "f32">>;

/** A number for each of the fields. */
export type Values<F extends Fields> = { readonly [Name in keyof F]: number };

/** Resource of a binding: a buffer or a range of one, several of them, or a view of a texture. */
export type BindingKind = "buffer" | "buffers" | "texture";

/**
 * One of a kernel's bindings. A kernel may have bindings that only some of its options use: `Used` is
 * then the option's type, and where it is false the binding is neither declared nor bound.
 */
export interface Binding<Kind extends BindingKind = BindingKind, Used extends boolean = boolean> {
  /** Kind of the resource. */
  readonly kind: Kind;
  /** Whether the binding exists. */
  readonly used: Used;
  /** WGSL's `var` with its address space. */
  readonly variable: string;
  /** Its WGSL type. */
  readonly type: string;
  /** Number of binding slots: several if `kind` is "buffers". */
  readonly count: number;
  /** Fields of its struct, if it is one. */
  readonly fields?: Fields;
}

/** A kernel's bindings by their names in its body. */
export type Bindings = Readonly<Record<string, Binding>>;

const buffer = (variable: string, type: string): Binding<"buffer", true> => ({
  ...{ kind: "buffer", used: true, count: 1 },
  ...{ variable, type },
});

/** A storage buffer of `element`s that is read. */
export const read = (element: string) => buffer("var<storage, read>", `array<${element}>`);

/** A storage buffer of `element`s (also `atomic<u32>`) that is read and written. */
export const write = (element: string) => buffer("var<storage, read_write>", `array<${element}>`);

/** A uniform buffer that holds the struct `type` of these fields; {@linkcode layOut} fills it. */
export const struct = (type: string, fields: Fields): Binding<"buffer", true> => ({
  ...buffer("var<uniform>", type),
  fields,
});

/** `count` uniform buffers of one type; the body calls them by name and number: rows0, rows1, …. */
export const uniforms = (count: number, type: string): Binding<"buffers", true> => ({
  ...{ kind: "buffers", used: true, variable: "var<uniform>" },
  ...{ type, count },
});

const texture = (type: string): Binding<"texture", true> => ({
  ...{ kind: "texture", used: true, variable: "var", count: 1 },
  type,
});

/** A texture that is read. */
export const readTexture = texture("texture_2d<f32>");

/** A texture of vectors of four float32 numbers that is written. */
export const writeTexture = texture("texture_storage_2d<rgba32float, write>");

/** A binding that exists only if an option is true. */
export function when<Kind extends BindingKind, Used extends boolean>(
  used: Used,
  binding: Binding<Kind>,
): Binding<Kind, Used> {
  return { ...binding, used };
}

/** A kernel: its source, and the arguments of its caller by name. */
export interface Kernel<S extends Fields = Fields, B extends Bindings = Bindings> {
  /** Its name in messages. */
  readonly label: string;
  /** The uniform `sizes`. */
  readonly sizes: S;
  /** Everything else that is bound, in order. */
  readonly bind: B;
  /** Its WGSL; the entry point is `main`. */
  readonly code: string;
}

/**
 * Defines a kernel. The struct `Sizes` and the uniform `sizes`, the bindings and the entry point are
 * generated, so that no caller depends on their order.
 *
 * The body can use `lane`, the thread's index in its workgroup; `group`, the index of the workgroup;
 * `groups`, the number of workgroups; and `thread`, the thread's index in all workgroups. Above the limit of
 * one dimension workgroups are in two, and there may be a few too many: bodies check the range.
 *
 * @example
 * ```ts ignore
 * const scale = defineKernel({
 *   label: "scale",
 *   sizes: { numbers: "u32", by: "f32" },
 *   bind: { x: read("f32"), out: write("f32") },
 *   workgroup: 64,
 *   body: "if (thread < sizes.numbers) { out[thread] = sizes.by * x[thread]; }",
 * });
 * // A wrong or missing name is a type error here.
 * program.kernel(scale, {
 *   sizes: { numbers: 1000, by: 2 },
 *   bind: { x, out },
 *   workgroups: Math.ceil(1000 / 64),
 * });
 * ```
 */
export function defineKernel<const S extends Fields, const B extends Bindings>(
  { label, sizes, bind, workgroup, enable = "", globals = [], body }: {
    label: string;
    sizes: S;
    bind: B;
    /** Threads per workgroup. */
    workgroup: number;
    /** A WGSL extension that it needs. */
    enable?: string;
    /** Declarations before the entry point: functions of the prelude, `var<workgroup>`s. */
    globals?: string[];
    /** Statements of the entry point. */
    body: string;
  },
): Kernel<S, B> {
  const all: Bindings = Object.keys(sizes).length > 0
    ? { sizes: struct("Sizes", sizes), ...bind }
    : bind;
  const used = Object.entries(all).filter(([, binding]) => binding.used);
  const structs = used.flatMap(([, { type, fields }]) => fields ? [writeStruct(type, fields)] : []);
  const variables = used.flatMap(([name, { kind, variable, type, count }]) =>
    Array.from({ length: count }, (_, at) => {
      return `${variable} ${kind === "buffers" ? `${name}${at}` : name}: ${type};`;
    })
  ).map((declaration, at) => `@group(0) @binding(${at}) ${declaration}`);
  const enabled = enable ? [`enable ${enable};`] : [];
  const code = `${[...enabled, ...structs, ...variables, ...globals].join("\n")}

@compute @workgroup_size(${workgroup})
fn main(
  @builtin(workgroup_id) groupId: vec3u,
  @builtin(num_workgroups) groupCount: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let groups = groupCount.x * groupCount.y;
  let group = groupId.x + groupId.y * groupCount.x;
  let thread = group * ${workgroup}u + lane;
${body.replace(/^\n+|\s+$/g, "")}
}
`;
  return { label, sizes, bind, code };
}

function writeStruct(name: string, fields: Fields): string {
  const list = Object.entries(fields).map(([field, type]) => `${field}: ${type}`);
  return `struct ${name} { ${list.join(", ")} }`;
}

/**
 * The words of a struct.
 *
 * @throws {TypeError} A field is not a number; the message has its name.
 */
export function layOut<F extends Fields>(
  name: string,
  fields: F,
  values: Values<F>,
): Uint32Array<ArrayBuffer> {
  const names = Object.keys(fields);
  const words = new Uint32Array(names.length);
  const floats = new Float32Array(words.buffer);
  for (const [at, field] of names.entries()) {
    const value = values[field];
    if (typeof value !== "number") {
      throw new TypeError(`${name}: ${field} is ${value}, expected a number`);
    }
    (fields[field] === "f32" ? floats : words)[at] = value;
  }
  return words;
}
