"""`python -m enduser` is the command `enduser`."""

from enduser.cli import main

main()
