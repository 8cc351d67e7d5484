"""A stand-in for the distribution http-parser, with what pymesos needs of it."""
__version__ = "0.9.0.post1"
