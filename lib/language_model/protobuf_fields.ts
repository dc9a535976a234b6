import type { ByteWindow } from "./byte_window.ts";

/** Position of a field of a protobuf message in a file. */
export interface ProtobufField {
  /** Field number. */
  number: number;
  /** Whether the field has a length: bytes, a string, a message or packed numbers. */
  hasLength: boolean;
  /** Offset of the field's tag. */
  start: number;
  /** Offset of the payload. */
  payload: number;
  /** Offset just past the field. */
  end: number;
}

/**
 * The fields of the message in bytes [start, end) of a file, in order, without reading payloads.
 *
 * @throws {RangeError} The bytes are not a protobuf message: a length past the message's end, a
 * number of more than ten bytes, or an unknown wire type.
 */
export function* protobufFields(
  file: ByteWindow,
  start: number,
  end: number,
): Generator<ProtobufField> {
  let at = start;
  while (at < end) {
    const tag = readVarint(file, at);
    const wireType = tag.value % 8;
    const number = Math.floor(tag.value / 8);
    const payload = tag.end;
    let next: number;
    let body = payload;
    if (wireType === 0) next = readVarint(file, payload).end;
    else if (wireType === 1) next = payload + 8;
    else if (wireType === 5) next = payload + 4;
    else if (wireType === 2) {
      const length = readVarint(file, payload);
      body = length.end;
      next = length.end + length.value;
    } else throw new RangeError(`unknown wire type ${wireType} at byte ${at}`);
    if (number === 0) throw new RangeError(`field number 0 at byte ${at}`);
    // Negated, so that a length beyond 2^53 is refused too.
    if (!(next <= end)) {
      throw new RangeError(
        `field ${number} at byte ${at} ends at byte ${next}, its message ends at byte ${end}`,
      );
    }
    yield { number, hasLength: wireType === 2, start: at, payload: body, end: next };
    at = next;
  }
}

function readVarint(file: ByteWindow, offset: number): { value: number; end: number } {
  let value = 0;
  for (let i = 0; i < 10; i++) {
    const byte = file.byteAt(offset + i);
    value += (byte & 127) * 2 ** (7 * i);
    if (byte < 128) return { value, end: offset + i + 1 };
  }
  throw new RangeError(`a number of more than ten bytes at byte ${offset}`);
}
