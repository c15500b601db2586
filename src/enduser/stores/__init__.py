"""Engines that keep the truth, behind one contract."""
