// Loaded before Azurite. Azurite loads Application Insights even when telemetry is off, which takes two thirds
// of its start.
const Module = require("module");

const load = Module._load;
Module._load = (request, ...rest) => (request === "applicationinsights" ? {} : load(request, ...rest));
