"""How every test of this folder runs."""

import sys

# Nothing is left beside the sources.
sys.dont_write_bytecode = True
