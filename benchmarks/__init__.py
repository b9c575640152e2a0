"""Side-by-side measurements of speed, runnable by anyone."""
