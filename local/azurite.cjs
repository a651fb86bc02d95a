// Loaded before Azurite, which loads Application Insights also when its telemetry is off: two thirds of its start.
const Module = require("module");

const load = Module._load;
Module._load = (request, ...rest) => (request === "applicationinsights" ? {} : load(request, ...rest));
