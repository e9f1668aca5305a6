"""What the benchmarks share: figures and their targets, processes, plots."""
