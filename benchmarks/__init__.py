"""Speed measurements that anyone can repeat: `python -m benchmarks NAME`."""
