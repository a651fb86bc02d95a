"""The report and the status page in a browser: `make look`."""
