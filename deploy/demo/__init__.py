"""`make demo`: a few hundred real comments through a running hub's own doors, and then what insights shows."""
