"""One module per page a listener can see; each reads, calls the session, draws."""
