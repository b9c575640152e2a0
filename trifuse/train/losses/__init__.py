"""The losses of the papers, one file per method, and the structural similarity that most of them share."""
