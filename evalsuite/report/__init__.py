"""One HTML page that shows a whole evaluation."""
