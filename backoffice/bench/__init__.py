"""Benchmarks: each compares ours with a yardstick in the same minute on the same server; see the figures in docs/operations.md."""
