"""Side-by-side speed and quality measurements, runnable by anyone."""
