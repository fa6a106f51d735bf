"""Training of the networks: `evalsuite train CONFIG --data RECORDINGS -o OUT`."""
