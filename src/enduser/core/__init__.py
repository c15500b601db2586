"""The pure heart: events, stretches, sessions, lives, the End User Object. No I/O, no clock.

This is the reference model. It is written to be read, not to be fast: every engine behind the store
contract must give the same answer as these functions on the same events.
"""
