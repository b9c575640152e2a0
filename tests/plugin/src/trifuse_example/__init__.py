"""What a package adds to trifuse by entry points, one file each."""
