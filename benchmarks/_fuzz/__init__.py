"""What `python -m benchmarks fuzz` is made of: seeds, mutations, judgement."""
