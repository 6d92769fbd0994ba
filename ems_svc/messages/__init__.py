"""Between values and protobuf: the silo's only translation tables, one file per noun."""
