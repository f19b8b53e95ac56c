"""The files of a schema folder: which are read, what they hold, and what is wrong with them."""
