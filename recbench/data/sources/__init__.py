"""One module a data format; each has `read(config) -> RawData`."""
