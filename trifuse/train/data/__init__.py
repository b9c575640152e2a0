"""Where the pictures that networks learn from come from: files, cases, prepared stacks, and how they are varied."""
