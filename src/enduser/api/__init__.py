"""HTTP: routes, authentication, errors as one JSON shape. Thin; what is done stands in the layers below.

A folder for each process, `collector` and `owner`, and one for the API that the owner answers, `management`.
What stands here is used by several of them.
"""
