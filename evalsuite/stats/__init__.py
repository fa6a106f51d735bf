"""Statistics of ratings: arrays and frames in, frozen results out, no files."""
