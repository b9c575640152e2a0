"""The parts that recipes are made of; what a single objective has to itself stands in its own file."""
