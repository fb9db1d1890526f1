"""Side-by-side timing of training steps: our strategies and backends, and other implementations."""
