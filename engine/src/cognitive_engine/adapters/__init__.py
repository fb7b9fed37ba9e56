"""Everything behind a port: generators, embedders, clocks."""
