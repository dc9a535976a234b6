/**
 * Stand-in for `@std/csv`, used only where JSR cannot be reached: what this project calls, with the
 * real package's names, signatures and behaviour.
 *
 * @module
 */
export {
  CsvParseStream,
  type CsvParseStreamOptions,
  parse,
  type ParseOptions,
  type RowType,
} from "./parse.ts";
export { stringify, StringifyError, type StringifyOptions } from "./stringify.ts";
