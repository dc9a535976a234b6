/** An error of a device: no adapter, no memory, a kernel that does not compile, a lost GPU. */
export class DeviceError extends Error {
  /** The name shown in front of the message. */
  override name: string = "DeviceError";
}

/** The GPU is gone: its driver restarted, or it was destroyed. A new one can be opened. */
export class DeviceLostError extends DeviceError {
  /** The name shown in front of the message. */
  override name: string = "DeviceLostError";
}
