"""Python code in a confined process. The server's side is `box`, the confined side `inside`."""
