// Imported before onnxruntime-node, in every thread that uses it. On Linux and macOS the package has
// a telemetry client that is on by default: with its first session it writes a device id and a
// database of events below the user's cache folder and looks up mobile.events.data.microsoft.com.
// It reads this variable, once a process, when that session is made; "0" and "" leave it on.
Deno.env.set("ORT_DISABLE_TELEMETRY", "1");
