"""Rules: which users are meant (docs/rules.md).

`tree` is what a rule is, `reading` makes it of JSON and refuses what cannot be, `spans` says what relative
times mean, `programs` makes it a function that answers for one user, `explaining` says why. The engine
answers for all users by SQL that it makes of the same tree (`stores/embedded/conditions.py`).
"""
