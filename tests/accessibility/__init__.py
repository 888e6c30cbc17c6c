"""Whether people can use the pages: the axe harness, and a gallery of every macro in five languages."""
