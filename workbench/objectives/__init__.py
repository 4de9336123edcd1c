"""What training minimises: the projector objectives J1 and J2."""
