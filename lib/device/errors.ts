/** A device error: no adapter, no memory, a kernel that does not compile, a lost GPU. */
export class DeviceError extends Error {
  /** The error's name, printed before the message. */
  override name: string = "DeviceError";
}

/** The GPU device was lost: its driver restarted, or it was destroyed. It can be opened again. */
export class DeviceLostError extends DeviceError {
  /** The error's name, printed before the message. */
  override name: string = "DeviceLostError";
}
