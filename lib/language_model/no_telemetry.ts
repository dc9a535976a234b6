// Imported before onnxruntime-node, in every thread that uses it. On Linux and macOS the package's
// telemetry is on by default: with its first session it writes a device id and a database of events
// into the user's cache folder and resolves mobile.events.data.microsoft.com. It reads this variable
// once per process, at the first session; "0" and "" leave telemetry on.
Deno.env.set("ORT_DISABLE_TELEMETRY", "1");
