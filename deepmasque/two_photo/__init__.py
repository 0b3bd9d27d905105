"""A matte from two photos: one with the subject, one of the same place without."""
